// A task's own prompts: shown as they are asked for its example, and as templates to be edited.

import { h } from "./dom.js";

const NAMES = ["propose", "evaluate", "validate"];
const STEPS = "{problem}\n{steps}";
const VALIDATE = "Problem: {problem}\nAnswer: {answer}\nIs the answer right? Write one word: certain or impossible.\n";

/** Return the prompts of a task, to be read. */
export function promptsOf({ prompts = {} }) {
  return NAMES.map((name) =>
    h(
      "label",
      { class: "field wide" },
      name[0].toUpperCase() + name.slice(1),
      prompts[name]
        ? h("textarea", { readonly: true, rows: 6, spellcheck: "false" }, prompts[name])
        : h("span", { class: "hint" }, "A rule knows whether an answer is right: no model is asked."),
    ),
  );
}

/** Return a definition that asks what the task asks, as far as templates can. */
export function definitionOf({ name, example, depth, prompts = {} }) {
  return {
    name: `${name}-edited`,
    example,
    depth,
    answer: "Answer:",
    propose: templateOf(prompts.propose, example, STEPS),
    evaluate: templateOf(prompts.evaluate, example, STEPS),
    validate: prompts.validate ? templateOf(prompts.validate, example, "{problem}\n{answer}") : VALIDATE,
  };
}

/** Put what differs in the example's place: the last, since worked examples come first; else at the end. */
function templateOf(prompt, example, place) {
  const text = prompt.replaceAll("{", "{{").replaceAll("}", "}}");
  const at = text.lastIndexOf(example);
  return at < 0 ? `${text.trimEnd()}\n${place}\n` : text.slice(0, at) + place + text.slice(at + example.length);
}
