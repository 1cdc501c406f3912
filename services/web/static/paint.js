// Draws a tree on a canvas: all of one colour at once, nothing that is out of sight, and texts only where they can be
// read.

import { ROW } from "./layout.js";

export const CARD = { width: 204, height: 22 };
/** The least scale of columns: texts are as small as they may be. */
export const READABLE = 0.7;
/** Rows that are lower, in pixels, have no room for a text; in a narrow view columns may be too small for one. */
const LEAST_ROW = 12;
const LEAST_ACROSS = 0.52;
const CURVED = 0.25;
const ROOM = CARD.width - 36;
const SIGNS = { answer: "✓", rejected: "✗", failed: "!", pruned: "–" };
const STEPS = 5;

/** The colours of the page, as the scheme (light or dark) has them. */
export function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: get("text"),
    muted: get("muted"),
    line: get("line-strong"),
    surface: get("surface"),
    accent: get("accent"),
    path: get("good"),
    font: get("font"),
    score: Array.from({ length: STEPS }, (_, step) => get(`score-${step}`)),
    unscored: get("unscored"),
    status: {
      open: get("accent"),
      pruned: get("unscored"),
      failed: get("warn"),
      rejected: get("bad"),
      answer: get("good"),
    },
  };
}

/** The colour of a thought, by its score or by what became of it. */
export function colourOf(thought, by, palette) {
  if (by === "status") return palette.status[thought.status];
  if (thought.status === "answer") return palette.path;
  if (thought.score === null) return palette.unscored;
  return palette.score[Math.min(STEPS - 1, Math.floor(thought.score * STEPS))];
}

/**
 * Draw what shows. `view`: {width, height, ratio, camera: {x, y, scale, across}, by, selected}.
 *
 * All is drawn in the canvas's own pixels, since rows and columns may have different scales.
 */
export function paint(context, shown, view, palette) {
  const { width, height, ratio, camera } = view;
  const { scale, across } = camera;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const card = { width: CARD.width * across, height: Math.min(CARD.height * across, Math.max(ROW * scale - 1, 1)) };
  for (const thought of shown) {
    thought.sx = (thought.px - camera.x) * across;
    thought.sy = (thought.py - camera.y) * scale;
  }
  paintEdges(context, shown, { ...view, card }, palette);
  const visible = shown.filter(
    ({ sx, sy }) => sx > -card.width && sx < width && sy > -card.height && sy < height + card.height,
  );
  if (ROW * scale < LEAST_ROW || across < LEAST_ACROSS) paintBlocks(context, visible, { ...view, card }, palette);
  else paintCards(context, visible, { ...view, card }, palette);
  const { selected } = view;
  if (selected && selected.sx !== undefined) {
    context.strokeStyle = palette.accent;
    context.lineWidth = 2.5;
    context.beginPath();
    outline(context, selected, card, 2);
    context.stroke();
  }
}

function paintEdges(context, shown, view, palette) {
  const [plain, path, further] = [new Path2D(), new Path2D(), new Path2D()];
  const drawn = new Set(shown);
  for (const thought of shown) {
    const { parent } = thought;
    if (parent) join(thought.onPath ? path : plain, parent, thought, view);
    for (const way of thought.further) if (drawn.has(way.parent)) join(further, way.parent, thought, view);
  }
  context.lineWidth = 1;
  context.strokeStyle = palette.line;
  context.stroke(plain);
  context.setLineDash([4, 4]);
  context.stroke(further);
  context.setLineDash([]);
  context.lineWidth = 2;
  context.strokeStyle = palette.path;
  context.stroke(path);
}

/** Add the line from a thought to one that comes after it, unless all of it is out of sight. */
function join(path, parent, child, { card, camera, width, height }) {
  const [x0, y0, x1, y1] = [parent.sx + card.width, parent.sy, child.sx, child.sy];
  if (Math.max(x0, x1) < 0 || Math.min(x0, x1) > width || Math.max(y0, y1) < 0 || Math.min(y0, y1) > height) return;
  path.moveTo(x0, y0);
  if (camera.scale < CURVED) {
    path.lineTo(x1, y1);
    return;
  }
  const middle = (x0 + x1) / 2;
  path.bezierCurveTo(middle, y0, middle, y1, x1, y1);
}

function paintBlocks(context, visible, { card, by }, palette) {
  for (const [colour, thoughts] of grouped(visible, (thought) => colourOf(thought, by, palette))) {
    context.fillStyle = colour;
    context.beginPath();
    for (const { sx, sy } of thoughts) context.rect(sx, sy - card.height / 2, card.width, card.height);
    context.fill();
  }
}

function grouped(thoughts, keyOf) {
  const groups = new Map();
  for (const thought of thoughts) {
    const key = keyOf(thought);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(thought);
  }
  return groups;
}

function paintCards(context, visible, { card, by, camera }, palette) {
  context.fillStyle = palette.surface;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const thought of visible) outline(context, thought, card, 0);
  context.fill();
  context.stroke();
  const edge = 6 * camera.across;
  for (const [colour, thoughts] of grouped(visible, (thought) => colourOf(thought, by, palette))) {
    context.fillStyle = colour;
    context.beginPath();
    for (const { sx, sy } of thoughts) context.roundRect(sx, sy - card.height / 2, edge, card.height, [3, 0, 0, 3]);
    context.fill();
  }
  context.textBaseline = "middle";
  context.font = `12px ${palette.font}`;
  for (const thought of visible) thought.caption ??= captionOf(thought, context);
  context.font = `${12 * camera.across}px ${palette.font}`;
  for (const thought of visible) paintText(context, thought, card, camera.across, palette);
}

function outline(context, { sx, sy }, card, margin) {
  const top = sy - card.height / 2 - margin;
  context.roundRect(sx - margin, top, card.width + 2 * margin, card.height + 2 * margin, 4);
}

function paintText(context, thought, card, across, palette) {
  const { sx, sy, status } = thought;
  const dim = status === "pruned" || status === "rejected" || status === "failed";
  context.fillStyle = dim ? palette.muted : palette.text;
  context.fillText(thought.caption, sx + 13 * across, sy + 0.5);
  const sign = thought.collapsed ? `+${sizeBelow(thought)}` : SIGNS[status];
  if (!sign) return;
  context.textAlign = "right";
  context.fillStyle = thought.collapsed ? palette.accent : palette.status[status];
  context.fillText(sign, sx + card.width - 8 * across, sy + 0.5);
  context.textAlign = "left";
}

/** What a thought says, as much as a card has room for. */
function captionOf(thought, context) {
  const line = (thought.answer ?? thought.text).replace(/\s+/g, " ").trim().slice(0, 80);
  let end = line.length;
  while (end > 1 && context.measureText(line.slice(0, end)).width > ROOM) end -= 1;
  return end < line.length ? `${line.slice(0, end - 1)}…` : line;
}

function sizeBelow(thought) {
  let size = 0;
  const waiting = [...thought.children];
  while (waiting.length) {
    size += 1;
    waiting.push(...waiting.pop().children);
  }
  return size;
}
