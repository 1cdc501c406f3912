// The tree as it grows: zoom, pan, collapse, choose a thought; with a pointer, fingers, or the keyboard.

import { h, share } from "./dom.js";
import { layout, ROW } from "./layout.js";
import { CARD, paint, READABLE, readPalette } from "./paint.js";

const SCALES = { least: 0.02, most: 2.5, fit: 1.1, readable: 0.8 };
const GLIDE_MS = 90;
const MARGIN = 28;
const CLICK_PIXELS = 5;
const STEP = 1.25;

export class TreeView {
  /** `onSelect` is called with the thought that was chosen, or null. */
  constructor({ onSelect = () => {} } = {}) {
    this.onSelect = onSelect;
    this.solve = null;
    this.shown = [];
    this.by = "score";
    this.selected = null;
    /** `x`, `y`: the corner, in the tree's pixels. `scale`: of rows. */
    this.camera = { x: 0, y: 0, scale: 1 };
    this.extent = { right: CARD.width, bottom: 0 };
    /** Whether the camera keeps the whole tree in sight: until somebody moves it. */
    this.fitting = true;
    this.pointers = new Map();
    this.#build();
    this.palette = readPalette();
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.#recolour);
    this.resizing = new ResizeObserver(() => this.#resize());
    this.resizing.observe(this.canvas);
  }

  close() {
    this.resizing.disconnect();
    this.scheme.removeEventListener("change", this.#recolour);
    cancelAnimationFrame(this.frame);
  }

  /** Show another solve's tree. */
  show(solve) {
    this.solve = solve;
    this.fitting = true;
    this.changed();
  }

  /** The tree has changed; it is laid out once before the next frame, whatever the number of changes. */
  changed() {
    this.stale = true;
    this.#request();
  }

  colourBy(by) {
    this.by = by;
    this.#request();
  }

  fit() {
    this.fitting = true;
    this.#request();
  }

  zoom(factor, at = { x: this.width / 2, y: this.height / 2 }) {
    this.#zoomTo(this.camera.scale * factor, at);
  }

  /** The scale of columns: of a tree that is seen from afar the rows come close, the columns stay wide. */
  across(scale = this.camera.scale) {
    return Math.max(scale, Math.min(READABLE, (this.width - 2 * MARGIN) / this.extent.right));
  }

  /** Choose a thought, or none; bring it into sight. */
  select(thought, { reveal = true } = {}) {
    this.selected = thought;
    if (thought && reveal) this.#reveal(thought);
    this.#announce();
    this.onSelect(thought);
    this.#request();
  }

  toggle(thought) {
    if (!thought.children.length) return;
    thought.collapsed = !thought.collapsed;
    this.changed();
    this.#announce();
  }

  collapseAll(collapsed) {
    for (const thought of this.solve?.thoughts.values() ?? []) {
      thought.collapsed = collapsed && thought.depth > 0 && thought.children.length > 0;
    }
    this.fitting = true;
    this.changed();
  }

  // --- frames -------------------------------------------------------------------------------------------------------

  #request() {
    this.frame ??= requestAnimationFrame((now) => this.#draw(now));
  }

  #draw(now) {
    this.frame = null;
    if (!this.width) return;
    if (this.stale) {
      this.#arrange();
    }
    const moving = this.#glide(Math.min(now - (this.drawn ?? now), 50));
    this.drawn = now;
    const { width, height, ratio, by, selected } = this;
    const camera = { ...this.camera, across: this.across() };
    paint(this.context, this.shown, { width, height, ratio, camera, by, selected }, this.palette);
    if (moving) this.#request();
    else this.drawn = undefined;
  }

  #arrange() {
    this.stale = false;
    this.shown = layout(this.solve?.root);
    let [right, bottom] = [CARD.width, 0];
    for (const { x, y } of this.shown) {
      right = Math.max(right, x + CARD.width);
      bottom = Math.max(bottom, y);
    }
    this.extent = { right, bottom };
  }

  /** Move thoughts, and a camera that fits, towards where they belong; tells whether any is still on its way. */
  #glide(elapsed) {
    const part = this.still.matches ? 1 : 1 - Math.exp(-Math.max(elapsed, 4) / GLIDE_MS);
    let moving = false;
    for (const thought of this.shown) {
      if (thought.px === undefined) {
        // New thoughts come out of their parent.
        thought.px = thought.x;
        thought.py = thought.parent?.py ?? thought.y;
      }
      const [dx, dy] = [thought.x - thought.px, thought.y - thought.py];
      const near = Math.abs(dx) + Math.abs(dy) < 0.5;
      thought.px = near ? thought.x : thought.px + dx * part;
      thought.py = near ? thought.y : thought.py + dy * part;
      moving ||= !near;
    }
    return (this.fitting && this.#approachFit(part)) || moving;
  }

  #approachFit(part) {
    const goal = this.#fitted();
    const { camera } = this;
    const near =
      Math.abs(goal.scale / camera.scale - 1) < 0.002 &&
      (Math.abs(goal.x - camera.x) + Math.abs(goal.y - camera.y)) * camera.scale < 0.5;
    for (const name of ["x", "y", "scale"]) {
      camera[name] = near ? goal[name] : camera[name] + (goal[name] - camera[name]) * part;
    }
    return !near;
  }

  /** The camera that has the whole tree in sight; a small tree stands in the middle. */
  #fitted() {
    const { right, bottom } = this.extent;
    const inner = { width: this.width - 2 * MARGIN, height: this.height - 2 * MARGIN };
    const scale = Math.max(SCALES.least, Math.min(SCALES.fit, inner.width / right, inner.height / (bottom + ROW)));
    return { scale, x: (right - this.width / this.across(scale)) / 2, y: (bottom - this.height / scale) / 2 };
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    Object.assign(this, { width: clientWidth, height: clientHeight, ratio: Math.min(devicePixelRatio || 1, 2) });
    this.canvas.width = Math.round(clientWidth * this.ratio);
    this.canvas.height = Math.round(clientHeight * this.ratio);
    this.#request();
  }

  #recolour = () => {
    this.palette = readPalette();
    this.#request();
  };

  // --- the camera ---------------------------------------------------------------------------------------------------

  #zoomTo(scale, at) {
    const { camera } = this;
    const next = Math.max(SCALES.least, Math.min(SCALES.most, scale));
    camera.x += at.x / this.across() - at.x / this.across(next);
    camera.y += at.y / camera.scale - at.y / next;
    camera.scale = next;
    this.fitting = false;
    this.#request();
  }

  pan(dx, dy) {
    this.camera.x -= dx / this.across();
    this.camera.y -= dy / this.camera.scale;
    this.fitting = false;
    this.#request();
  }

  #reveal(thought) {
    for (let above = thought.parent; above; above = above.parent) {
      if (above.collapsed) {
        above.collapsed = false;
        this.stale = true;
      }
    }
    if (this.fitting) return;
    if (this.stale) this.#arrange();
    const { camera } = this;
    if (camera.scale < SCALES.readable) this.#zoomTo(SCALES.readable, { x: 0, y: 0 });
    const [x, y] = [(thought.x - camera.x) * this.across(), (thought.y - camera.y) * camera.scale];
    const size = CARD.width * this.across();
    const outside = x < MARGIN || y < MARGIN || x + size > this.width - MARGIN || y > this.height - MARGIN;
    if (!outside) return;
    camera.x = thought.x + CARD.width / 2 - this.width / 2 / this.across();
    camera.y = thought.y - this.height / 2 / camera.scale;
  }

  // --- pointers and keys --------------------------------------------------------------------------------------------

  #build() {
    this.choice = h("div", { role: "treeitem", id: `choice-${crypto.getRandomValues(new Uint32Array(1))[0]}` });
    this.canvas = h("canvas", {
      class: "tree",
      tabindex: "0",
      role: "tree",
      "aria-label": "Tree of thoughts. Arrow keys go from thought to thought, Enter folds, plus and minus zoom, 0 fits.",
      onpointerdown: (event) => this.#press(event),
      onpointermove: (event) => this.#drag(event),
      onpointerup: (event) => this.#release(event),
      onpointercancel: (event) => this.pointers.delete(event.pointerId),
      ondblclick: (event) => this.#unfold(event),
      onkeydown: (event) => this.#key(event),
    });
    // What assistive technology reads of the canvas: the thought that is chosen.
    this.canvas.append(this.choice);
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.context = this.canvas.getContext("2d");
    this.element = this.canvas;
  }

  #thoughtAt({ offsetX, offsetY }) {
    const { camera } = this;
    const [x, y] = [offsetX / this.across() + camera.x, offsetY / camera.scale + camera.y];
    const reach = Math.max(CARD.height / 2, 4 / camera.scale);
    return this.shown.find(({ px, py }) => x >= px && x <= px + CARD.width && Math.abs(y - py) <= reach) ?? null;
  }

  #press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.travelled = 0;
  }

  #drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.canvas.classList.toggle("pointing", this.#thoughtAt(event) !== null);
      return;
    }
    const now = { x: event.offsetX, y: event.offsetY };
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    this.travelled += Math.abs(dx) + Math.abs(dy);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (this.travelled <= CLICK_PIXELS) return;
    if (!other) {
      this.pan(dx, dy);
      return;
    }
    const spread = (one) => Math.hypot(one.x - other.x, one.y - other.y);
    this.pan(dx / 2, dy / 2);
    this.zoom(spread(now) / Math.max(spread(before), 1), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  }

  #release(event) {
    if (this.pointers.delete(event.pointerId) && this.travelled <= CLICK_PIXELS) {
      this.select(this.#thoughtAt(event), { reveal: false });
    }
  }

  #unfold(event) {
    const thought = this.#thoughtAt(event);
    if (thought) this.toggle(thought);
  }

  /** The wheel scrolls the page, unless the tree was chosen before or a key says that it is to zoom. */
  #wheel(event) {
    if (!(event.ctrlKey || event.metaKey || document.activeElement === this.canvas)) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), { x: event.offsetX, y: event.offsetY });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowLeft: () => this.#go((thought) => thought.parent),
      ArrowRight: () => this.#go((thought) => (thought.collapsed ? this.toggle(thought) : thought.children[0])),
      ArrowUp: () => this.#go((thought) => this.#neighbour(thought, -1)),
      ArrowDown: () => this.#go((thought) => this.#neighbour(thought, 1)),
      Home: () => this.select(this.solve?.root ?? null),
      End: () => this.select(this.#answer() ?? this.selected),
      Enter: () => this.selected && this.toggle(this.selected),
      " ": () => this.selected && this.toggle(this.selected),
      Escape: () => this.select(null),
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => this.fit(),
    };
    const act = actions[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #go(to) {
    const next = this.selected ? to(this.selected) : this.solve?.root;
    if (next) this.select(next);
  }

  #answer() {
    return [...(this.solve?.thoughts.values() ?? [])].find(({ status }) => status === "answer");
  }

  /** The next thought up or down in the same column. */
  #neighbour(thought, direction) {
    const column = this.shown.filter(({ depth }) => depth === thought.depth);
    return column[column.indexOf(thought) + direction];
  }

  #announce() {
    const { choice, selected } = this;
    if (!selected) {
      this.canvas.removeAttribute("aria-activedescendant");
      return;
    }
    const siblings = selected.parent?.children ?? [selected];
    const score = selected.score === null ? "" : `, score ${share(selected.score)}`;
    choice.setAttribute("aria-label", `${selected.text}, ${selected.status}${score}`);
    choice.setAttribute("aria-level", selected.depth + 1);
    choice.setAttribute("aria-setsize", siblings.length);
    choice.setAttribute("aria-posinset", siblings.indexOf(selected) + 1);
    choice.setAttribute("aria-selected", "true");
    if (selected.children.length) choice.setAttribute("aria-expanded", String(!selected.collapsed));
    else choice.removeAttribute("aria-expanded");
    this.canvas.setAttribute("aria-activedescendant", choice.id);
  }
}
