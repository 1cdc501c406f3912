// One solve: where it stands, its solution, its tree, its log; and how it is steered.

import { beginning, cancelSolve, describeSolve, follow, resuming, storedThoughts } from "./api.js";
import { detailOf } from "./detail.js";
import { count, h } from "./dom.js";
import { Log } from "./log.js";
import { endingOf, Solve, stateOf } from "./model.js";
import { Origins } from "./origin.js";
import { ResumePanel } from "./resume.js";
import { TreeCard } from "./treecard.js";

const CLOCK_MS = 250;
const LONG_TITLE = 60;

export class SolveView {
  /** `onReuse` is called with the request of this solve, to fill the form with. */
  constructor(id, { onReuse = null } = {}) {
    this.id = id;
    this.onReuse = onReuse;
    this.solve = new Solve(id);
    // What no worker has done, the pod has that runs the solve.
    this.solve.onEvent = (kind, thought, said) => this.log.add(kind, thought, said, said.pod || this.solve.pod);
    this.origins = new Origins(id);
    this.state = "connecting";
    this.error = "";
    this.request = null;
    this.since = null;
    this.#build();
  }

  /** Begin this solve. Throws a `Refusal` if it is refused; returns when it has ended, or was left. */
  async begin(request, onAccepted) {
    this.request = request;
    this.since = Date.now();
    await this.#follow({ open: beginning({ ...request, request_id: this.id }), onAccepted });
  }

  /** Show a solve that was begun before: watch it if it runs, or has ended; one that is parked is not woken. */
  async open() {
    try {
      const { solve, request } = await describeSolve(this.id);
      this.request = request;
      this.since = Date.parse(solve.begun);
      Object.assign(this.solve, { problem: solve.problem, task: solve.task, strategy: solve.strategy });
      if (solve.state === "SOLVE_STATE_PARKED") {
        this.solve.takeStored(await storedThoughts(this.id));
        this.description = solve;
        this.#stand("parked", solve.message);
        this.tree.show(this.solve);
        return;
      }
      await this.#follow({});
    } catch (error) {
      this.#stand("broken", error.message);
    }
  }

  close() {
    this.following?.abort();
    clearInterval(this.clock);
    cancelAnimationFrame(this.frame);
    this.tree.close();
  }

  // --- the stream ---------------------------------------------------------------------------------------------------

  async #follow({ open = null, onAccepted = () => {} }) {
    this.following?.abort();
    const following = new AbortController();
    this.following = following;
    let accepted = false;
    this.clock ??= setInterval(() => this.state === "running" && this.#request(), CLOCK_MS);
    const take = (message, number) => {
      if (following.signal.aborted) return;
      if (message.accepted) this.log.clear();
      this.solve.take(message, number);
      if (!accepted) {
        accepted = true;
        onAccepted();
        this.tree.show(this.solve);
      }
      this.#stand(message.result ? "ended" : "running");
    };
    try {
      await follow(this.id, take, {
        signal: following.signal,
        open,
        after: this.solve.last,
        onBreak: (error) => this.#stand("connecting", `${error.message}; trying again`),
      });
    } catch (error) {
      if (open && !accepted) throw error;
      this.#stand(accepted || !open ? "failed" : "broken", error.message);
    }
  }

  async #cancel() {
    this.cancelling.disabled = true;
    try {
      await cancelSolve(this.id);
    } catch (error) {
      this.#stand(this.state, error.message);
    } finally {
      this.cancelling.disabled = false;
    }
  }

  async #resume(budget) {
    this.resume.showError("");
    try {
      await this.#follow({ open: resuming(this.id, budget), onAccepted: () => this.resume.close() });
    } catch (error) {
      this.resume.showError(error.message);
    }
  }

  // --- what shows ---------------------------------------------------------------------------------------------------

  #stand(state, error = "") {
    Object.assign(this, { state, error });
    this.tree.changed();
    this.#request();
  }

  #request() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#show();
    });
  }

  #build() {
    this.title = h("h1", { class: "problem" });
    this.pill = h("span", { class: "pill", role: "status" });
    this.about = h("p", { class: "about" });
    this.cancelling = h("button", { type: "button", class: "danger", onclick: () => this.#cancel() }, "Cancel");
    this.reusing = this.onReuse
      ? h("button", { type: "button", onclick: () => this.request && this.onReuse(this.request) }, "Use these settings")
      : null;
    this.resume = new ResumePanel((budget) => this.#resume(budget));
    this.alert = h("p", { class: "alert", role: "alert", hidden: true });
    this.facts = h("dl", { class: "figures" });
    this.solution = h("section", { class: "card solution", "aria-label": "Solution" });
    this.log = new Log({ onSelect: (thought) => this.tree.select(thought) });
    this.tree = new TreeCard({
      detail: (thought, { onNews, ...actions }) => detailOf(thought, this.origins.of(thought, onNews), actions),
    });
    this.element = h(
      "article",
      { class: "solve" },
      h(
        "header",
        { class: "head" },
        h("div", {}, h("div", { class: "line" }, this.title, this.pill), this.about),
        h("div", { class: "actions" }, this.reusing, this.resume.button, this.cancelling),
      ),
      this.resume.element,
      this.alert,
      this.facts,
      this.solution,
      this.tree.element,
      h("section", { class: "card" }, h("h2", {}, "Thought log"), this.log.element),
    );
  }

  #show() {
    const { solve, state } = this;
    this.title.textContent = solve.problem || this.request?.problem || "…";
    this.title.classList.toggle("long", this.title.textContent.length > LONG_TITLE);
    const word = this.#word();
    this.pill.textContent = word;
    this.pill.className = `pill ${word === "solved" ? "solved" : state}`;
    const task = solve.task || this.request?.definition?.name || this.request?.task || "";
    this.about.textContent = [task, solve.strategy, this.id].filter(Boolean).join(" · ");
    this.cancelling.hidden = !["running", "connecting", "parked"].includes(state);
    const resumable = (state === "ended" && word !== "solved") || state === "parked" || state === "failed";
    this.resume.offer(resumable, this.request?.budget);
    this.alert.hidden = !this.error;
    this.alert.textContent = this.error;
    this.#showFigures();
    this.#showSolution(word);
    this.log.flush();
  }

  #word() {
    if (this.solve.result && this.state === "ended") return endingOf(this.solve.result.status);
    if (this.state === "running" && this.solve.awaited.size) return `waking ${[...this.solve.awaited].join(", ")}`;
    return this.state === "parked" && this.description ? stateOf(this.description) : this.state;
  }

  #showFigures() {
    const { solve } = this;
    const spent = solve.spent;
    const elapsed = solve.result?.elapsed_seconds ?? (this.state === "running" ? (Date.now() - this.since) / 1000 : null);
    const figures = [
      ["thoughts", count(solve.thoughts.size)],
      ["merged", count(solve.merges)],
      ["model calls", count(spent.model_calls)],
      ["cached", count(spent.cache_hits)],
      ["tokens read", count(spent.prompt_tokens)],
      ["tokens written", count(spent.completion_tokens)],
      ["seconds", elapsed === null ? "–" : elapsed.toFixed(elapsed < 10 ? 2 : 0)],
    ];
    if (spent.dollars) figures.push(["dollars", spent.dollars.toPrecision(3)]);
    if (solve.progress.away?.length) figures.push(["away", solve.progress.away.join(", ")]);
    this.facts.replaceChildren(...figures.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  #showSolution(word) {
    const { result, progress } = this.solve;
    const steps = result?.steps ?? [];
    const solved = word === "solved";
    if (!result) {
      const best = progress.best && progress.best !== this.solve.problem ? progress.best : "";
      this.solution.replaceChildren(h("h2", {}, "Best so far"), h("p", { class: "best" }, best || "Nothing yet."));
      return;
    }
    this.solution.replaceChildren(
      h("h2", {}, solved ? "Solution" : "Best line of thought"),
      steps.length ? h("ol", { class: "steps" }, ...steps.map((step) => h("li", {}, step))) : h("p", {}, "No step."),
      ...(solved ? [h("p", { class: "answer" }, result.answer)] : []),
    );
  }
}
