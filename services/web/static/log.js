// The thought log: what happened, the newest last. Of long logs the last rows are kept.

import { h, share } from "./dom.js";

const MOST_ROWS = 400;
const NEAR_END = 40;

export class Log {
  /** `onSelect` is called with the thought of a row that was chosen. */
  constructor({ onSelect }) {
    this.onSelect = onSelect;
    this.rows = h("ol", { class: "log", tabindex: "0", "aria-label": "Thought log" });
    this.element = this.rows;
    this.clear();
  }

  clear() {
    this.rows.replaceChildren();
    this.waiting = [];
    this.number = 0;
    this.longest = 0;
  }

  /** Keep a row for the next `flush`. */
  add(kind, thought, { text = "", score, note = "" }, pod) {
    this.number += 1;
    if (pod.length > this.longest) {
      this.longest = pod.length;
      this.rows.style.setProperty("--pod", `${pod.length}ch`);
    }
    this.waiting.push({ number: this.number, kind, thought, text, score, note, pod });
    if (this.waiting.length > MOST_ROWS) this.waiting.shift();
  }

  /** Show what was added; stay at the end if that is what shows. */
  flush() {
    if (!this.waiting.length) return;
    const atEnd = this.rows.scrollTop + this.rows.clientHeight > this.rows.scrollHeight - NEAR_END;
    this.rows.append(...this.waiting.map((row) => this.#row(row)));
    this.waiting = [];
    while (this.rows.childElementCount > MOST_ROWS) this.rows.firstElementChild.remove();
    if (atEnd) this.rows.scrollTop = this.rows.scrollHeight;
  }

  #row({ number, kind, thought, text, score, note, pod }) {
    return h(
      "li",
      { class: `row ${kind.replace(" ", "-")}`, onclick: () => thought && this.onSelect(thought) },
      h("span", { class: "number" }, String(number)),
      pod ? h("span", { class: "pod", title: "the pod that did it" }, pod) : null,
      h("span", { class: "kind" }, kind),
      score === undefined ? null : h("span", { class: "figure" }, share(score)),
      h("span", { class: "what" }, text.replace(/\s+/g, " ")),
      note ? h("span", { class: "note" }, note) : null,
    );
  }
}
