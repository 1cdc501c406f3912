// The server's calls. Solves come as server-sent events, which are read here rather than by EventSource: that one can
// neither send a request's body nor tell why it was refused.

const MOST_FAILURES = 8;
const FIRST_WAIT = 400;
const LONGEST_WAIT = 5000;

/** What the server says is wrong: for programs (`reason`), for people (`message`), and with which field. */
export class Refusal extends Error {
  constructor({ reason = "", field = "", message = "", temporary = false }) {
    super(message || "the server refused");
    Object.assign(this, { reason, field, temporary });
  }
}

/** A stream ended before its result. */
class Broken extends Error {}

async function call(path, options = {}) {
  const response = await fetch(path, options);
  if (response.ok) return response;
  let said = { message: `the server answered ${response.status}` };
  try {
    said = await response.json();
  } catch {
    // A proxy on the way may say something else.
  }
  throw new Refusal(said);
}

const posted = (path, body, options = {}) =>
  call(path, {
    ...options,
    method: "POST",
    headers: { "Content-Type": "application/json", ...options.headers },
    body: JSON.stringify(body),
  });

const at = (id) => `/api/solves/${encodeURIComponent(id)}`;

export const catalog = async () => (await call("/api/catalog")).json();
export const describeSolve = async (id) => (await call(at(id))).json();
export const cancelSolve = async (id) => (await posted(`${at(id)}/cancel`, {})).json();
export const listSolves = async (token, size) =>
  (await call(`/api/solves?page_size=${size}&page_token=${encodeURIComponent(token)}`)).json();

export const thoughtOf = async (id, thoughtId) =>
  (await call(`${at(id)}/thoughts/${encodeURIComponent(thoughtId)}`)).json();

/** Return the thoughts of a solve as they are kept, parents before children. */
export async function storedThoughts(id) {
  const lines = (await (await call(`${at(id)}/tree`)).text()).split("\n");
  return lines.filter(Boolean).flatMap((line) => JSON.parse(line).thoughts ?? []);
}

/** How a solve is begun, and gone on with; `follow` takes either. */
export const beginning = (request) => (options) => posted("/api/solves", request, options);
export const resuming = (id, budget) => (options) => posted(`${at(id)}/resume`, { budget }, options);

/** A name for a new solve, so that a request that breaks can be sent again. */
export function newSolveId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Pass each message of a solve to `take`, to its result; after a break, go on from the last that came.
 *
 * `open` makes the first request, if it is not to watch; `after` is the number of the last message that is known.
 * Throws a `Refusal`. `onBreak` is called before each new attempt.
 */
export async function follow(id, take, { signal, open = null, after = 0, onBreak = () => {} }) {
  let failures = 0;
  let last = after;
  while (!signal.aborted) {
    try {
      const options = { signal, headers: { "Last-Event-ID": String(last) } };
      const response = await (open ? open(options) : call(`${at(id)}/events`, options));
      for await (const event of eventsOf(response.body)) {
        if (event.type === "failed") throw new Refusal(JSON.parse(event.data));
        open = null;
        failures = 0;
        if (event.id) last = Number(event.id);
        const message = JSON.parse(event.data);
        take(message, last);
        if (message.result) return;
      }
      throw new Broken("the connection broke");
    } catch (error) {
      if (signal.aborted) return;
      const passing = error instanceof Refusal ? error.temporary : true;
      if (open || !passing || ++failures > MOST_FAILURES) throw error;
      onBreak(error);
      await new Promise((resolve) => setTimeout(resolve, Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT)));
    }
  }
}

/** Yield the events of a stream: `{type, id, data}`. */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = read(block);
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function read(block) {
  const event = { type: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon <= 0) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 2)];
    if (name === "event") event.type = value;
    else if (name === "id") event.id = value;
    else if (name === "data") event.data += value;
  }
  return event;
}
