// The tree with its tools: colours, their legend, zoom, and the panel of the thought that was chosen.

import { h } from "./dom.js";
import { TreeView } from "./tree.js";

const LEGENDS = {
  score: [
    ["score-0", "0"],
    ["score-1", ""],
    ["score-2", ""],
    ["score-3", ""],
    ["score-4", "1"],
    ["unscored", "not judged"],
    ["good", "answer"],
  ],
  status: [
    ["accent", "open"],
    ["good", "✓ answer"],
    ["unscored", "– pruned"],
    ["bad", "✗ rejected"],
    ["warn", "! failed"],
  ],
};

/** What the panel of a thought shows that may change. */
const stampOf = ({ id, status, score, draws, collapsed, children, further }) =>
  [id, status, score, draws, collapsed, children.length, further.length].join(" ");

export class TreeCard {
  /** `detail` makes the panel of a thought. */
  constructor({ detail }) {
    this.detail = detail;
    this.view = new TreeView({ onSelect: (thought) => this.#choose(thought) });
    this.legend = h("ul", { class: "legend", "aria-label": "Legend" });
    this.panel = h("div", { class: "panel", hidden: true });
    const tool = (text, label, act) =>
      h("button", { type: "button", class: "tool", title: label, "aria-label": label, onclick: act }, text);
    this.choices = Object.keys(LEGENDS).map((by) =>
      h("button", { type: "button", class: "tool", "aria-pressed": "false", onclick: () => this.#colour(by) }, by),
    );
    this.element = h(
      "section",
      { class: "card grown", "aria-label": "Tree" },
      h(
        "header",
        { class: "tools" },
        h("h2", {}, "Tree"),
        h("div", { class: "group", role: "group", "aria-label": "Colour by" }, h("span", {}, "colour by"), ...this.choices),
        h(
          "div",
          { class: "group" },
          tool("fold", "Fold all", () => this.view.collapseAll(true)),
          tool("unfold", "Unfold all", () => this.view.collapseAll(false)),
          tool("−", "Zoom out", () => this.view.zoom(1 / 1.4)),
          tool("+", "Zoom in", () => this.view.zoom(1.4)),
          tool("fit", "Show the whole tree", () => this.view.fit()),
        ),
      ),
      h("div", { class: "stage" }, this.view.element, this.panel),
      this.legend,
    );
    this.#colour("score");
  }

  show(solve) {
    this.#choose(null);
    this.view.selected = null;
    this.view.show(solve);
  }

  /** The tree, or what is known of the chosen thought, has changed. */
  changed() {
    this.view.changed();
    this.stale ??= requestAnimationFrame(() => {
      this.stale = null;
      const { selected } = this.view;
      // A panel that is made anew loses the click that is under way.
      if (selected && this.shown !== stampOf(selected)) this.#choose(selected);
    });
  }

  select(thought) {
    this.view.select(thought);
  }

  close() {
    cancelAnimationFrame(this.stale);
    this.view.close();
  }

  #colour(by) {
    this.view.colourBy(by);
    for (const choice of this.choices) choice.setAttribute("aria-pressed", String(choice.textContent === by));
    this.legend.replaceChildren(
      ...LEGENDS[by].map(([colour, text]) => h("li", {}, h("span", { class: `swatch ${colour}` }), text)),
    );
  }

  #choose(thought) {
    this.panel.hidden = !thought;
    if (!thought) {
      this.panel.replaceChildren();
      return;
    }
    this.shown = stampOf(thought);
    const focused = this.panel.contains(document.activeElement);
    this.panel.replaceChildren(
      this.detail(thought, {
        onNews: () => this.view.selected === thought && this.#choose(thought),
        onSelect: (other) => this.view.select(other),
        onToggle: () => {
          this.view.toggle(thought);
          this.changed();
        },
        onClose: () => {
          this.view.select(null);
          this.view.element.focus();
        },
      }),
    );
    // The panel was made anew under the reader's hands.
    if (focused) this.panel.querySelector("button")?.focus();
  }
}
