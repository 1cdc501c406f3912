// Where a thought came from: asked of the server when it is chosen, and again when more has become of it.

import { thoughtOf } from "./api.js";
import { costOf, fact, h } from "./dom.js";
import { plus, ZERO } from "./model.js";

const PROMPTS = { proposed: "Prompt", evaluated: "Prompt that judged it", validated: "Prompt that checked it" };
const DONE = { proposed: "proposed by", evaluated: "judged by", validated: "checked by" };

/** What has to differ for there to be more to say. */
const stampOf = ({ status, score, parent }) => [status, score, parent?.draws].join(" ");

export class Origins {
  /** `id` is the solve's. */
  constructor(id) {
    this.id = id;
    this.known = new WeakMap();
  }

  /** Return what is known of a thought's origin; `onNews` is called once there is more. */
  of(thought, onNews) {
    const known = this.known.get(thought) ?? { stamp: null, said: null, error: "" };
    this.known.set(thought, known);
    const stamp = stampOf(thought);
    if (known.stamp !== stamp) {
      known.stamp = stamp;
      this.#ask(thought, known).then(onNews);
    }
    if (known.said) return describe(known.said);
    return h("p", { class: "hint" }, known.error ? `Where it came from is not known: ${known.error}` : "…");
  }

  async #ask(thought, known) {
    const { stamp } = known;
    try {
      const said = await thoughtOf(this.id, thought.id);
      if (known.stamp === stamp) known.said = said;
    } catch (error) {
      known.error = error.message;
    }
  }
}

function describe(said) {
  const stages = Object.keys(PROMPTS).filter((stage) => said[stage]);
  return h(
    "div",
    { class: "origin" },
    stages.length ? whenAndWhere(said, stages) : null,
    ...stages.filter((stage) => said[stage].prompt).map((stage) => promptOf(PROMPTS[stage], said[stage].prompt)),
    said.prompts_left_out ? h("p", { class: "hint" }, `Prompts are left out: ${said.prompts_left_out}`) : null,
    traceOf(said.trace_url),
    costOf("The whole expansion that brought it", plus(ZERO, said.expansion_usage)),
  );
}

function whenAndWhere(said, stages) {
  return h(
    "dl",
    { class: "facts" },
    ...stages.map((stage) => fact(DONE[stage], said[stage].pod ?? "a pod that is not known")),
    fact("told after", `${(said.elapsed_seconds ?? 0).toFixed(2)} s`),
  );
}

function promptOf(title, prompt) {
  return h(
    "section",
    { "aria-label": title },
    h("h4", {}, title),
    h("pre", { class: "prompt", tabindex: "0" }, prompt),
  );
}

/** A link that leads nowhere but to a page. */
function traceOf(url) {
  if (!url || !/^https?:\/\//.test(url)) return null;
  return h("a", { class: "trace", href: url, target: "_blank", rel: "noopener noreferrer" }, "Open its trace");
}
