// One request to the API, and its answer. Knows nothing of who asks.

const BASE = "/api/v1";
const READ = 30_000; // milliseconds that an answer may take
const CHANGE = 150_000; // a reload may take two minutes

export class Problem extends Error {
  constructor(said, status) {
    super(said.detail || said.title || `The node answered ${status}.`);
    this.hint = said.hint || "";
    this.code = said.code || "";
    this.status = status; // 0: there was no answer
  }
}

let heard = () => {};

// Calls `told(true)` at each answer, and `told(false)` when there was none.
export function onAnswer(told) {
  heard = told;
}

// What a broken connection is called. A page that was left is no problem.
export function unanswered(error, signal) {
  if (error instanceof Problem || signal?.aborted) return error;
  heard(false);
  const slow = error.name === "TimeoutError";
  return new Problem(
    {
      detail: slow ? "The node took too long to answer." : "The node does not answer.",
      hint: "It may be restarting, or the way to it is broken.",
    },
    0,
  );
}

// Sends `body` as JSON and returns the answer. A stream may take as long as it likes. With `cookies` those of the node come along.
// Throws Problem.
export async function send(method, path, { body, token, signal, stream = false, cookies = false } = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  const limits = [signal, stream ? null : AbortSignal.timeout(method === "GET" ? READ : CHANGE)].filter(Boolean);
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method,
      headers,
      signal: AbortSignal.any(limits),
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: cookies ? "same-origin" : "omit",
      cache: "no-store",
    });
  } catch (error) {
    throw unanswered(error, signal);
  }
  heard(true);
  if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
  return answer;
}
