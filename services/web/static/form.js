// What is to be solved, and how: a form that is made of what the server says can be set.

import { Refusal } from "./api.js";
import { h } from "./dom.js";
import { Input } from "./inputs.js";
import { definitionOf, promptsOf } from "./prompts.js";

const GROUPS = { search: "Search", model: "Model", budget: "Budget" };
const OWN = "own prompts";

/** A definition's fields, in the order of the form. The three prompts are long. */
const DEFINITION = [
  { path: "definition.name", label: "Name", type: "text", text: "What the class of problems is called." },
  { path: "definition.depth", label: "Depth", type: "int", minimum: 1, maximum: 64, text: "Steps to an answer." },
  { path: "definition.answer", label: "Answer mark", type: "text", text: "What a line begins with that is an answer." },
  { path: "definition.propose", label: "Propose", type: "lines", rows: 10, text: "Has {problem}; may have {steps}, {last}." },
  { path: "definition.evaluate", label: "Evaluate", type: "lines", rows: 8, text: "Has {steps} or {last}; may have {problem}." },
  { path: "definition.validate", label: "Validate", type: "lines", rows: 6, text: "Has {answer}; may have {problem}." },
].map((field) => ({ ...field, wide: field.type === "lines" }));

export class Form {
  /** `onSolve` is called with the request that was put together. */
  constructor({ tasks, strategies, fields }, example, onSolve) {
    Object.assign(this, { tasks, strategies, example, onSolve });
    this.fields = fields.map((field) => new Input(field));
    this.definition = DEFINITION.map((field) => new Input(field));
    this.settings = [];
    this.#build();
    this.#changeTask();
    this.#changeStrategy();
  }

  /** Put a solve's request into the form. */
  fill(request) {
    this.#clearErrors();
    this.problem.value = request.problem ?? "";
    this.task.value = request.definition ? OWN : (request.task ?? this.tasks[0].name);
    if (request.definition) this.#fillAll(this.definition, request);
    this.#changeTask();
    this.strategy.value = request.strategy || "auto";
    this.#changeStrategy();
    this.#fillAll(this.settings, request);
    this.#fillAll(this.fields, request);
  }

  /** Say what is wrong, at the field that the server names; else at the end of the form. */
  showError(error) {
    const known = [...this.#inputs(), this.problem, this.task, this.strategy];
    const found = known.find(({ path }) => path === error.field);
    if (!found) {
      this.alert.hidden = false;
      this.alert.textContent = error.field ? `${error.field}: ${error.message}` : error.message;
      return;
    }
    found.showError(error.message.replace(error.field, found.field.label));
    const around = found.element.closest("details");
    if (around) around.open = true;
    found.input.focus();
  }

  focus() {
    this.problem.input.focus();
  }

  set busy(busy) {
    this.button.disabled = busy;
  }

  // --- what shows ---------------------------------------------------------------------------------------------------

  #build() {
    const choice = (path, label, names) =>
      new Input({ path, label, type: "choice", choices: names.map((name) => [name, name]), wide: true });
    this.problem = new Input({ path: "problem", label: "Problem", type: "lines", rows: 2, wide: true });
    this.task = choice("task", "Task", [...this.tasks.map(({ name }) => name), OWN]);
    this.strategy = choice("strategy", "Strategy", this.strategies.map(({ name }) => name));
    if (this.tasks.some(({ name }) => name === "game24")) this.task.value = "game24";
    this.task.input.addEventListener("change", () => this.#changeTask());
    this.strategy.input.addEventListener("change", () => this.#changeStrategy());
    this.exampling = h("button", { type: "button", class: "link", onclick: () => this.#takeExample() }, "Take the example");
    this.problem.element.append(this.exampling);
    this.strategic = h("div", { class: "grid" });
    this.own = h("div", { class: "grid", hidden: true }, ...this.definition.map(({ element }) => element));
    const begin = (text, definition) =>
      h("button", { type: "button", onclick: () => this.#writeOwn(definition()) }, text);
    this.asked = h("div", { class: "grid" });
    this.builtIn = h(
      "div",
      {},
      h("p", { class: "hint" }, "What models are asked about the example; the task writes it anew for each state."),
      this.asked,
      begin("Edit these prompts", () => definitionOf(this.#builtInTask())),
      begin("Start from a word ladder", () => this.example),
    );
    this.alert = h("p", { class: "alert", role: "alert", hidden: true });
    this.button = h("button", { class: "primary" }, "Solve");
    const group = (name, open, ...children) => h("details", { open }, h("summary", {}, name), ...children);
    const grid = (name) =>
      h("div", { class: "grid" }, ...this.fields.filter(({ field }) => field.group === name).map((i) => i.element));
    this.prompts = group("Prompts", false, this.builtIn, this.own);
    this.element = h(
      "form",
      {
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.#submit();
        },
      },
      this.problem.element,
      this.task.element,
      this.strategy.element,
      this.prompts,
      group(GROUPS.search, false, this.strategic, grid("search")),
      group(GROUPS.model, false, grid("model")),
      group(GROUPS.budget, false, grid("budget")),
      h("div", { class: "submit" }, this.alert, this.button),
    );
  }

  #changeTask() {
    const task = this.#builtInTask();
    const own = !task;
    this.task.hint.textContent = task?.summary ?? "A class of problems without code: three prompts.";
    this.#suggest(task?.example ?? this.example.example);
    this.own.hidden = !own;
    this.builtIn.hidden = own;
    this.asked.replaceChildren(...(task ? promptsOf(task) : []));
    if (!own) return;
    this.prompts.open = true;
    if (this.definition.every((input) => !input.value)) this.#fillAll(this.definition, { definition: this.example });
  }

  /** The task that was chosen; undefined if it is one of the user's own. */
  #builtInTask() {
    return this.tasks.find(({ name }) => name === this.task.value);
  }

  #writeOwn(definition) {
    this.task.value = OWN;
    this.#fillAll(this.definition, { definition });
    this.#changeTask();
    this.#suggest(definition.example);
    this.definition[0].input.focus();
  }

  #suggest(problem) {
    this.suggestion = problem;
    this.problem.input.setAttribute("placeholder", problem);
  }

  #takeExample() {
    this.problem.value = this.suggestion;
    this.problem.showError("");
  }

  #changeStrategy() {
    const { summary, settings = [] } = this.strategies.find(({ name }) => name === this.strategy.value);
    this.strategy.hint.textContent = summary;
    this.settings = settings.map(({ name, default: usual, ...rest }) => {
      const label = name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
      const described = { ...rest, path: `settings.${name}`, label };
      const shown = typeof usual === "number" ? Number(usual.toPrecision(4)) : usual;
      return new Input(rest.type === "bool" ? { ...described, checked: usual } : { ...described, default: shown });
    });
    this.strategic.replaceChildren(...this.settings.map(({ element }) => element));
  }

  // --- the request --------------------------------------------------------------------------------------------------

  #inputs() {
    return [...this.fields, ...this.settings, ...(this.task.value === OWN ? this.definition : [])];
  }

  #submit() {
    this.#clearErrors();
    try {
      this.onSolve(this.#collect());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.showError(error);
    }
  }

  #collect() {
    const request = { problem: this.problem.value ?? "", strategy: this.strategy.value };
    if (this.task.value !== OWN) request.task = this.task.value;
    for (const input of this.#inputs()) {
      const { value } = input;
      if (value !== undefined) put(request, input.path, value);
    }
    return request;
  }

  #fillAll(inputs, request) {
    for (const input of inputs) input.value = at(request, input.path);
  }

  #clearErrors() {
    this.alert.hidden = true;
    for (const input of [...this.#inputs(), this.problem, this.task, this.strategy]) input.showError("");
  }
}

function put(request, path, value) {
  const names = path.split(".");
  const last = names.pop();
  let place = request;
  for (const name of names) place = place[name] ??= {};
  place[last] = value;
}

const at = (request, path) => path.split(".").reduce((place, name) => place?.[name], request);
