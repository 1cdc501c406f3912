// The page: what the address says is what shows.
//
//   #/               a new solve
//   #/solve/ID       one solve, watched if it runs
//   #/compare/A/B    two of them
//   #/solves         past solves

import { catalog, newSolveId } from "./api.js";
import { h } from "./dom.js";
import { Form } from "./form.js";
import { SolveView } from "./solve.js";
import { SolvesView } from "./solves.js";

const NARROW = "(max-width: 60rem)";
const content = document.getElementById("content");
const aside = document.getElementById("form");
let form = null;
let views = [];

function show(...next) {
  for (const view of views) if (!next.includes(view)) view.close();
  views = next;
  content.classList.toggle("two", next.length > 1);
  content.replaceChildren(...next.map(({ element }) => element));
}

function route() {
  const [page = "", ...ids] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const name = page === "solves" || page === "compare" ? "solves" : "new";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.page = page || "new";
  // On a small screen what is watched comes first, for the eye and for the keyboard.
  if (page === "solve" && matchMedia(NARROW).matches) content.after(aside);
  else content.before(aside);
  if (page === "solves") show(new SolvesView());
  else if (page === "compare" && ids.length === 2) open(ids);
  else if (page === "solve" && ids.length === 1) {
    if (views.length !== 1 || views[0].id !== ids[0]) open(ids);
  } else show(welcome());
}

function open(ids) {
  const onReuse = (request) => {
    form?.fill(request);
    aside.scrollIntoView({ block: "start" });
    form?.focus();
  };
  show(...ids.map((id) => new SolveView(id, { onReuse: ids.length === 1 ? onReuse : null })));
  for (const view of views) view.open();
}

/** Begin a solve; its address is taken once the server has taken it on. */
async function solve(request) {
  const view = new SolveView(newSolveId(), { onReuse: (used) => form.fill(used) });
  form.busy = true;
  try {
    await view.begin(request, () => {
      form.busy = false;
      show(view);
      location.hash = `#/solve/${view.id}`;
      if (matchMedia(NARROW).matches) content.scrollIntoView({ block: "start" });
    });
  } catch (error) {
    view.close();
    form.showError(error);
  } finally {
    form.busy = false;
  }
}

function welcome() {
  const element = h(
    "div",
    { class: "welcome" },
    h("h1", {}, "Watch a language model think in a tree"),
    h(
      "p",
      {},
      "Say what is to be solved. The model proposes steps and judges how promising each is; the search goes on from " +
        "the best, goes back where it went wrong, and checks the answer.",
    ),
    h("p", {}, h("a", { href: "#/solves" }, "Past solves"), " are kept, and can be gone on with."),
  );
  return { element, close() {} };
}

async function start() {
  addEventListener("hashchange", route);
  route();
  try {
    const [known, example] = await Promise.all([
      catalog(),
      fetch("/static/word-ladder.json").then((response) => response.json()),
    ]);
    form = new Form(known, example, solve);
    aside.replaceChildren(form.element);
    if (document.body.dataset.page === "new") form.focus();
  } catch (error) {
    aside.replaceChildren(h("p", { class: "alert", role: "alert" }, `${error.message}; reload to try again`));
  }
}

start();
