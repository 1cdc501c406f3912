// A solve as the page knows it: its tree is the fold of the events that the server streams.

export const ZERO = { model_calls: 0, prompt_tokens: 0, completion_tokens: 0, cache_hits: 0, dollars: 0 };

/** Add up what was spent; the wire leaves out what is nothing, and writes large numbers as texts. */
export const plus = (usage, more = {}) =>
  Object.fromEntries(Object.keys(ZERO).map((name) => [name, usage[name] + Number(more[name] ?? 0)]));

const wordOf = (name = "", prefix = "") => name.replace(prefix, "").toLowerCase();

const STATUSES = {
  solved: "solved",
  exhausted: "nothing left to try",
  nodes_spent: "out of thoughts",
  model_calls_spent: "out of model calls",
  completion_tokens_spent: "out of completion tokens",
  wall_time_spent: "out of time",
  cancelled: "cancelled",
  depth_spent: "out of depth",
  prompt_tokens_spent: "out of prompt tokens",
  dollars_spent: "out of dollars",
};

/** Say how a solve ended. */
export function endingOf(status) {
  const word = wordOf(status, "SOLVE_STATUS_");
  return STATUSES[word] ?? word;
}

/** Say where a `SolveDescription` stands: running, parked, failed, or how it ended. */
export function stateOf(description) {
  const state = wordOf(description.state, "SOLVE_STATE_");
  return state === "ended" ? endingOf(description.status) : state;
}

/** One thought. `score` is null until it is judged. */
class Thought {
  constructor(id, parent, depth, text) {
    Object.assign(this, { id, parent, depth, text, answer: null, value: null, score: null });
    Object.assign(this, { status: "open", note: "", draws: 0, usage: ZERO, children: [], further: [] });
    Object.assign(this, { onPath: false, collapsed: false });
  }

  /** The texts from the root, left out, to this thought. */
  get steps() {
    const texts = [];
    for (let thought = this; thought.parent; thought = thought.parent) texts.unshift(thought.text);
    return texts;
  }
}

export class Solve {
  constructor(id) {
    Object.assign(this, { id, problem: "", task: "", strategy: "", root: null, result: null, progress: {} });
    Object.assign(this, { awaited: new Set(), pod: "", thoughts: new Map(), merges: 0, spent: ZERO, last: 0 });
    /** Called with each event, the thought that it is about, and what is said of it, as it is applied. */
    this.onEvent = () => {};
  }

  /** Apply one message of the stream. */
  take(message, number) {
    this.last = number;
    if (message.accepted) this.#begin(message.accepted);
    if (message.awaited) this.awaited.add(message.awaited.stage);
    if (message.taken_up) this.#takeUp(message.taken_up.pod);
    for (const event of message.thoughts?.events ?? []) this.#apply(event);
    if (message.progress) {
      this.progress = message.progress;
      this.awaited.clear();
    }
    if (message.result) {
      this.result = message.result;
      this.progress = message.result.progress ?? this.progress;
      this.spent = plus(ZERO, message.result.usage);
      this.#markPath();
    }
  }

  /** Take a tree that is kept, in place of events. */
  takeStored(thoughts) {
    for (const stored of thoughts) {
      const known = this.#add(stored.thought_id, stored.parent_id, stored.depth ?? 0, stored.text, stored.answer);
      known.value = stored.value ?? null;
      known.score = stored.value ? (stored.score ?? 0) : null;
      known.status = wordOf(stored.status, "THOUGHT_STATUS_");
      known.note = stored.note ?? "";
      known.draws = stored.draws ?? 0;
      known.usage = plus(ZERO, stored.usage);
      for (const way of stored.merged ?? []) this.#merge(known, way);
    }
    this.#markPath();
  }

  #begin({ problem, root_id: rootId, strategy, pod = "" }) {
    this.thoughts.clear();
    Object.assign(this, { problem, strategy, pod, result: null, merges: 0, spent: ZERO });
    this.#add(rootId, "", 0, problem);
    this.onEvent("accepted", this.root, { text: `${problem} · ${strategy}` });
  }

  #takeUp(pod) {
    this.pod = pod;
    this.result = null;
    for (const thought of this.thoughts.values()) thought.onPath = false;
    this.onEvent("taken up", this.root, { text: `by ${pod}` });
  }

  #add(id, parentId, depth, text, answer) {
    const parent = this.thoughts.get(parentId) ?? null;
    const thought = new Thought(id, parent, depth, text);
    thought.answer = answer ?? null;
    this.thoughts.set(id, thought);
    if (parent) parent.children.push(thought);
    else this.root = thought;
    return thought;
  }

  #merge(thought, { parent_id: parentId, text }) {
    const parent = this.thoughts.get(parentId);
    if (!parent) return;
    thought.further.push({ parent, text });
    this.merges += 1;
  }

  #apply(event) {
    const id = event.thought_id;
    if (event.proposed) {
      const { parent_id: parentId, depth, text, answer, pod } = event.proposed;
      const thought = this.#add(id, parentId, depth ?? 0, text ?? "", answer);
      this.onEvent("proposed", thought, { text: thought.text, pod });
      return;
    }
    const thought = this.thoughts.get(id);
    if (!thought) return;
    if (event.merged) {
      this.#merge(thought, event.merged);
      this.onEvent("merged", thought, { text: thought.text });
    } else if (event.evaluated) {
      thought.value = event.evaluated.value ?? {};
      thought.score = event.evaluated.score ?? 0;
      this.onEvent("evaluated", thought, { text: thought.text, score: thought.score, pod: event.evaluated.pod });
    } else if (event.validated) {
      const certain = event.validated.verdict === "VERDICT_CERTAIN";
      thought.status = certain ? "answer" : "rejected";
      thought.note = event.validated.explanation ?? "";
      if (certain) this.#markPath();
      const { pod } = event.validated;
      this.onEvent(certain ? "answer" : "rejected", thought, { text: thought.answer ?? thought.text, pod });
    } else if (event.pruned) {
      thought.status = "pruned";
      thought.note = event.pruned.reason ?? "";
      this.onEvent("pruned", thought, { text: thought.text, note: thought.note });
    } else if (event.failed) {
      thought.status = "failed";
      thought.note = event.failed.failure?.message ?? "";
      this.onEvent("failed", thought, { text: thought.text, note: thought.note });
    } else if (event.expanded) {
      thought.draws = (event.expanded.draw ?? 0) + 1;
      thought.usage = plus(thought.usage, event.expanded.usage);
      this.spent = plus(this.spent, event.expanded.usage);
      this.onEvent("expanded", thought, { text: thought.text });
    }
  }

  /** Mark the way to the answer. */
  #markPath() {
    for (const answer of this.thoughts.values()) {
      if (answer.status !== "answer") continue;
      for (let thought = answer; thought; thought = thought.parent) thought.onPath = true;
      return;
    }
  }
}
