// The inputs of the form: one for each field that the server describes.

import { h } from "./dom.js";
import { Refusal } from "./api.js";

/** One field: its label, its input, what it means, and what is wrong with it. */
export class Input {
  /** `field`: {path, label, text, type, default, minimum, maximum, choices}. */
  constructor(field) {
    this.path = field.path;
    this.field = field;
    const id = `field-${field.path}`;
    this.input = make(field, { id, "aria-describedby": `${id}-hint ${id}-wrong` });
    this.hint = h("span", { class: "hint", id: `${id}-hint` }, hintOf(field));
    this.wrong = h("span", { class: "wrong", id: `${id}-wrong`, hidden: true });
    const label = h("label", { for: id }, field.label);
    this.element =
      field.type === "bool"
        ? h("div", { class: "field switch" }, this.input, label, this.hint, this.wrong)
        : h("div", { class: `field ${field.wide ? "wide" : ""}` }, label, this.input, this.hint, this.wrong);
    this.input.addEventListener("input", () => this.showError(""));
  }

  /** The value as the request has it; undefined if nothing is set. Throws a `Refusal` if it is none. */
  get value() {
    const { input, field } = this;
    if (field.type === "bool") return input.checked === Boolean(field.checked) ? undefined : input.checked;
    if (input.validity.badInput) throw new Refusal({ field: this.path, message: `${field.label} has to be a number` });
    if (input.value === "") return undefined;
    if (field.type === "float") return Number(input.value);
    // A seed has more digits than a number here.
    if (field.type === "int") return field.path.startsWith("settings.") ? Number(input.value) : input.value;
    return input.value;
  }

  set value(value) {
    if (this.field.type === "bool") this.input.checked = value ?? Boolean(this.field.checked);
    else this.input.value = value ?? "";
  }

  /** Say what is wrong with the value; nothing, if it is empty. */
  showError(message) {
    this.wrong.hidden = !message;
    this.wrong.textContent = message;
    if (message) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

function make(field, attributes) {
  const { type, minimum, maximum, default: usual } = field;
  if (type === "bool") return h("input", { ...attributes, type: "checkbox", checked: Boolean(field.checked) });
  if (type === "choice") {
    const options = field.choices.map(([value, text]) => h("option", { value }, text));
    return h("select", attributes, usual === undefined ? null : h("option", { value: "" }, usual), ...options);
  }
  if (type === "lines") {
    return h("textarea", { ...attributes, rows: field.rows, spellcheck: "false", placeholder: usual ?? "" });
  }
  if (type === "text") return h("input", { ...attributes, type: "text", placeholder: usual ?? "", autocomplete: "off" });
  const step = type === "int" ? "1" : "any";
  return h("input", { ...attributes, type: "number", min: minimum, max: maximum, step, placeholder: usual ?? "" });
}

const figure = (number) => number.toLocaleString("en");

function hintOf({ text, minimum, maximum }) {
  if (maximum === undefined) return text ?? "";
  const range = minimum === undefined ? `At most ${figure(maximum)}.` : `${figure(minimum)} to ${figure(maximum)}.`;
  return `${range} ${text ?? ""}`;
}
