// Goes on with a solve under a larger budget.

import { h } from "./dom.js";

/** What may be raised, what holds where a solve said nothing, and the most that there can be. */
const LIMITS = [
  ["completion_tokens", "Completion tokens", 20_000, 1_000_000_000],
  ["model_calls", "Model calls", 10_000, 10_000_000],
  ["nodes", "Thoughts", 10_000, 10_000_000],
  ["wall_seconds", "Seconds", 60, 86_400],
];

export class ResumePanel {
  /** `onResume` is called with the budget that was chosen. */
  constructor(onResume) {
    this.inputs = new Map(
      LIMITS.map(([name]) => [name, h("input", { type: "number", min: "1", step: "any", inputmode: "decimal" })]),
    );
    this.alert = h("p", { class: "alert", role: "alert", hidden: true });
    this.button = h("button", { type: "button", "aria-expanded": "false", onclick: () => this.#toggle() }, "Go on…");
    this.element = h(
      "form",
      {
        class: "card resume",
        hidden: true,
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          const given = [...this.inputs].filter(([, input]) => input.value !== "");
          onResume(Object.fromEntries(given.map(([name, input]) => [name, Number(input.value)])));
        },
      },
      h("h2", {}, "Go on with a larger budget"),
      h("p", { class: "hint" }, "All that was spent before counts. What is less than before stays as it was."),
      h("div", { class: "grid" }, ...LIMITS.map(([name, label]) => h("label", {}, label, this.inputs.get(name)))),
      this.alert,
      h("button", { class: "primary" }, "Go on"),
    );
  }

  /** Offer to go on, or not; the fields begin with twice what the solve had. */
  offer(possible, budget = {}) {
    this.button.hidden = !possible;
    if (!possible) this.close();
    if (!this.element.hidden) return;
    for (const [name, , usual, most] of LIMITS) {
      this.inputs.get(name).value = Math.min(2 * Number(budget[name] ?? usual), most);
    }
  }

  close() {
    this.element.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  showError(message) {
    this.alert.hidden = !message;
    this.alert.textContent = message;
  }

  #toggle() {
    this.element.hidden = !this.element.hidden;
    this.button.setAttribute("aria-expanded", String(!this.element.hidden));
    if (!this.element.hidden) this.inputs.get("completion_tokens").focus();
  }
}
