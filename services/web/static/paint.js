// Draws a tree on a canvas: all of one colour at once, nothing that is out of sight, and texts only where they can be
// read.

import { ROW } from "./layout.js";

export const CARD = { width: 204, height: 22 };
const READABLE = 0.5;
const CURVED = 0.25;
const LONGEST = 34;
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

/** Draw what shows. `view`: {width, height, ratio, camera: {x, y, scale}, by, selected}. */
export function paint(context, shown, view, palette) {
  const { width, height, ratio, camera } = view;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.translate(-camera.x * camera.scale, -camera.y * camera.scale);
  context.scale(camera.scale, camera.scale);
  const sight = {
    left: camera.x - CARD.width,
    top: camera.y - CARD.height,
    right: camera.x + width / camera.scale,
    bottom: camera.y + height / camera.scale,
  };
  paintEdges(context, shown, sight, camera.scale, palette);
  const visible = shown.filter((thought) => inSight(thought, sight));
  if (camera.scale < READABLE) paintBlocks(context, visible, view, palette);
  else paintCards(context, visible, view, palette);
  if (view.selected && view.selected.px !== undefined) {
    context.strokeStyle = palette.accent;
    context.lineWidth = 2.5 / Math.min(1, camera.scale);
    outline(context, view.selected, 3);
    context.stroke();
  }
}

const inSight = ({ px, py }, sight) => px > sight.left && px < sight.right && py > sight.top && py < sight.bottom;

function paintEdges(context, shown, sight, scale, palette) {
  const plain = new Path2D();
  const path = new Path2D();
  const further = new Path2D();
  const drawn = new Set(shown);
  for (const thought of shown) {
    const { parent } = thought;
    if (parent && crosses(parent, thought, sight)) join(thought.onPath ? path : plain, parent, thought, scale);
    for (const way of thought.further) {
      if (drawn.has(way.parent) && crosses(way.parent, thought, sight)) join(further, way.parent, thought, scale);
    }
  }
  context.lineWidth = 1 / Math.max(scale, 0.4);
  context.strokeStyle = palette.line;
  context.stroke(plain);
  context.setLineDash([4, 4]);
  context.stroke(further);
  context.setLineDash([]);
  context.lineWidth = 2.2 / Math.max(scale, 0.4);
  context.strokeStyle = palette.path;
  context.stroke(path);
}

function crosses(parent, child, sight) {
  return (
    Math.min(parent.px, child.px) < sight.right &&
    Math.max(parent.px, child.px) > sight.left &&
    Math.min(parent.py, child.py) < sight.bottom &&
    Math.max(parent.py, child.py) > sight.top
  );
}

function join(path, parent, child, scale) {
  const [x0, y0] = [parent.px + CARD.width, parent.py];
  const [x1, y1] = [child.px, child.py];
  path.moveTo(x0, y0);
  if (scale < CURVED) {
    path.lineTo(x1, y1);
    return;
  }
  const middle = (x0 + x1) / 2;
  path.bezierCurveTo(middle, y0, middle, y1, x1, y1);
}

function paintBlocks(context, visible, view, palette) {
  const height = Math.min(ROW - 1, Math.max(CARD.height * 0.7, 2 / view.camera.scale));
  for (const [colour, thoughts] of grouped(visible, (thought) => colourOf(thought, view.by, palette))) {
    context.fillStyle = colour;
    context.beginPath();
    for (const { px, py } of thoughts) context.rect(px, py - height / 2, CARD.width, height);
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

function paintCards(context, visible, view, palette) {
  context.fillStyle = palette.surface;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const thought of visible) outline(context, thought, 0, { chained: true });
  context.fill();
  context.stroke();
  for (const [colour, thoughts] of grouped(visible, (thought) => colourOf(thought, view.by, palette))) {
    context.fillStyle = colour;
    context.beginPath();
    for (const { px, py } of thoughts) context.roundRect(px, py - CARD.height / 2, 6, CARD.height, [4, 0, 0, 4]);
    context.fill();
  }
  context.font = `12px ${palette.font}`;
  context.textBaseline = "middle";
  for (const thought of visible) paintText(context, thought, palette);
}

function outline(context, { px, py }, margin, { chained = false } = {}) {
  if (!chained) context.beginPath();
  context.roundRect(px - margin, py - CARD.height / 2 - margin, CARD.width + 2 * margin, CARD.height + 2 * margin, 4);
}

function paintText(context, thought, palette) {
  const { px, py, status } = thought;
  const dim = status === "pruned" || status === "rejected" || status === "failed";
  context.fillStyle = dim ? palette.muted : palette.text;
  context.fillText(captionOf(thought), px + 13, py + 0.5, CARD.width - 36);
  const sign = thought.collapsed ? `+${sizeBelow(thought)}` : SIGNS[status];
  if (!sign) return;
  context.textAlign = "right";
  context.fillStyle = thought.collapsed ? palette.accent : palette.status[status];
  context.fillText(sign, px + CARD.width - 8, py + 0.5, 40);
  context.textAlign = "left";
}

/** A thought's text on one short line. */
export function captionOf(thought) {
  if (thought.caption === undefined) {
    const line = thought.text.replace(/\s+/g, " ").trim();
    thought.caption = line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
  }
  return thought.caption;
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
