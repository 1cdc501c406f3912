// Makes elements. All text goes in as text: nothing here, or anywhere in the page, parses markup.

/** Return an element with attributes, listeners (`onclick`, ...) and children (elements or text). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Write a whole number for people. */
export const count = (number) => whole.format(number);

/** Write a score, from 0 to 1. */
export const share = (number) => (number > 0 && number < 0.01 ? "<0.01" : number.toFixed(2));

/** Return a row of a list of facts. */
export const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));

/** Return what something has cost, under a title; nothing if it has cost nothing. */
export function costOf(title, { model_calls: calls, cache_hits: hits, dollars, ...tokens }) {
  if (!calls && !hits) return null;
  return h(
    "section",
    { class: "cost", "aria-label": title },
    h("h4", {}, title),
    h(
      "dl",
      { class: "facts" },
      fact("model calls", count(calls)),
      fact("from the cache", count(hits)),
      fact("prompt tokens", count(tokens.prompt_tokens)),
      fact("completion tokens", count(tokens.completion_tokens)),
      dollars ? fact("dollars", dollars.toPrecision(2)) : null,
    ),
  );
}
