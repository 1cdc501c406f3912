// Past solves, the newest first; one opens, two stand side by side.

import { listSolves } from "./api.js";
import { count, h } from "./dom.js";
import { stateOf } from "./model.js";

const PAGE = 30;
const SIDES = 2;
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class SolvesView {
  constructor() {
    this.chosen = new Set();
    this.token = "";
    this.body = h("tbody", {});
    this.compare = h(
      "button",
      { type: "button", class: "primary", disabled: true, onclick: () => this.#compare() },
      "Compare",
    );
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.#load() }, "Show more");
    this.alert = h("p", { class: "alert", role: "alert", hidden: true });
    this.empty = h("p", { class: "hint", hidden: true }, "Nothing has been solved here yet.");
    const columns = ["", "problem", "status", "task", "strategy", "calls", "tokens", "seconds", "begun"];
    this.element = h(
      "section",
      { class: "solves" },
      h(
        "header",
        { class: "head" },
        h("div", {}, h("h1", {}, "Past solves"), h("p", { class: "about" }, "Choose two to see them side by side.")),
        h("div", { class: "actions" }, this.compare),
      ),
      this.alert,
      h(
        "div",
        { class: "card" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)))),
          this.body,
        ),
        this.empty,
        this.more,
      ),
    );
    this.#load();
  }

  close() {}

  async #load() {
    try {
      const { solves = [], next_page_token: next = "" } = await listSolves(this.token, PAGE);
      this.body.append(...solves.map((solve) => this.#row(solve)));
      this.token = next;
      this.more.hidden = !next;
      this.empty.hidden = this.body.childElementCount > 0;
    } catch (error) {
      this.alert.hidden = false;
      this.alert.textContent = error.message;
    }
  }

  #row(solve) {
    const { solve_id: id, problem, task, strategy, begun, usage = {}, elapsed_seconds: elapsed } = solve;
    const state = stateOf(solve);
    const choose = h("input", {
      type: "checkbox",
      "aria-label": `Compare ${problem}`,
      onchange: ({ target }) => this.#choose(id, target),
    });
    const cell = (name, ...value) => h("td", { "data-name": name }, ...value);
    return h(
      "tr",
      {},
      h("td", {}, choose),
      h("th", { scope: "row" }, h("a", { href: `#/solve/${encodeURIComponent(id)}` }, problem)),
      cell("status", h("span", { class: `pill ${state === "solved" ? "solved" : state}` }, state)),
      cell("task", task),
      cell("strategy", strategy),
      cell("calls", count(Number(usage.model_calls ?? 0))),
      cell("tokens", count(Number(usage.completion_tokens ?? 0))),
      cell("seconds", elapsed === undefined ? "–" : elapsed.toFixed(2)),
      cell("begun", h("time", { datetime: begun }, moment.format(new Date(begun)))),
    );
  }

  #choose(id, box) {
    if (box.checked) this.chosen.add(id);
    else this.chosen.delete(id);
    if (this.chosen.size > SIDES) {
      box.checked = false;
      this.chosen.delete(id);
    }
    this.compare.disabled = this.chosen.size !== SIDES;
  }

  #compare() {
    location.hash = `#/compare/${[...this.chosen].map(encodeURIComponent).join("/")}`;
  }
}
