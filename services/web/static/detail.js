// What is known of one thought.

import { count, costOf, fact, h, share } from "./dom.js";

const LABELS = ["sure", "likely", "impossible"];

/** Return the panel of a thought, with its `origin`; `onSelect` is called with another one that is chosen there. */
export function detailOf(thought, origin, { onSelect, onToggle, onClose }) {
  const { usage, further, children } = thought;
  const link = (other, text = other.text) =>
    h("button", { class: "link", type: "button", onclick: () => onSelect(other) }, text.replace(/\s+/g, " "));
  return h(
    "section",
    { class: "detail", "aria-label": "The chosen thought" },
    h(
      "header",
      {},
      h("h3", {}, thought.parent ? `Step ${thought.depth}` : "The problem"),
      h("span", { class: `status ${thought.status}` }, thought.status),
      h("button", { class: "quiet", type: "button", "aria-label": "Close", onclick: onClose }, "×"),
    ),
    thought.parent ? h("h4", {}, "Completion") : null,
    h("p", { class: "text" }, thought.text),
    thought.answer !== null && thought.answer !== thought.text
      ? h("p", { class: "text answer" }, thought.answer)
      : null,
    thought.note ? h("p", { class: "why" }, thought.note) : null,
    thought.value ? valueOf(thought) : null,
    h(
      "dl",
      { class: "facts" },
      thought.score === null ? null : fact("score", share(thought.score)),
      fact("expanded", ["not yet", "once"][thought.draws] ?? `${count(thought.draws)} times`),
      fact("children", count(children.length)),
    ),
    origin,
    costOf("Expanding it has cost", usage),
    thought.parent
      ? h(
          "div",
          { class: "parents" },
          h("h4", {}, further.length ? "Parents" : "Parent"),
          h(
            "ul",
            {},
            h("li", {}, link(thought.parent)),
            ...further.map((way) => h("li", {}, link(way.parent), ` by ${way.text.replace(/\s+/g, " ")}`)),
          ),
        )
      : null,
    children.length
      ? h(
          "button",
          { type: "button", onclick: onToggle },
          thought.collapsed ? "Unfold what comes after" : "Fold what comes after",
        )
      : null,
  );
}

/** The evaluator's labels as bars; a vote is one bar. */
function valueOf({ value }) {
  const shares = value.votes === undefined ? LABELS.map((name) => [name, value[name] ?? 0]) : [["votes", value.votes]];
  return h(
    "div",
    { class: "value" },
    ...shares.map(([name, part]) =>
      h(
        "label",
        {},
        h("span", {}, name),
        h("meter", { class: name, min: "0", max: "1", value: String(part) }),
        h("span", { class: "figure" }, share(part)),
      ),
    ),
  );
}
