// Asks the API, and knows who asks. The access token lives in memory only; the refresh token in this tab's sessionStorage, so that
// loading the page anew does not log out. It is good once: whoever uses a stolen one ends the log-in.

const BASE = "/api/v1";
const KEPT = "refresh";
const EARLY = 30_000; // milliseconds: refreshed before it is refused

let token = "";
let until = 0;
let refreshing = null;
let leave = () => {};

export class Problem extends Error {
  constructor(said, status) {
    super(said.detail || said.title || `the node answered ${status}`);
    this.hint = said.hint || "";
    this.code = said.code || "";
    this.status = status;
  }
}

// Called when the log-in is over.
export function onLeave(callback) {
  leave = callback;
}

// What a broken connection is called; a page that was left is no problem.
const reached = (error) =>
  error.name === "AbortError" ? error : new Problem({ detail: "The node does not answer.", hint: "It may be restarting, or the way to it is broken." }, 0);

async function send(path, method, body, signal, headers = {}) {
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(BASE + path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit", cache: "no-store" });
  } catch (error) {
    throw reached(error);
  }
  if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
  return answer;
}

function take(granted) {
  token = granted.access_token;
  until = Date.now() + granted.expires_in * 1000 - EARLY;
  sessionStorage.setItem(KEPT, granted.refresh_token);
}

function forget() {
  token = "";
  sessionStorage.removeItem(KEPT);
}

export async function logIn(name, password, code) {
  take(await (await send("/auth/login", "POST", { name, password, code, client: "dashboard" })).json());
}

export const register = (code, name, password) => send("/auth/register", "POST", { code, name, password });

// Is somebody logged in, or was before the page was loaded anew?
export const known = () => Boolean(token || sessionStorage.getItem(KEPT));

async function refresh() {
  try {
    take(await (await send("/auth/refresh", "POST", { refresh_token: sessionStorage.getItem(KEPT) || "" })).json());
  } catch (error) {
    if (error.status === 401) { forget(); leave(); }
    throw error;
  }
}

// The next tokens, asked for once however many wait for them.
function renewed() {
  refreshing ??= refresh().finally(() => { refreshing = null; });
  return refreshing;
}

async function asked(path, method, body, signal) {
  if (!token || Date.now() > until) await renewed();
  const with_token = () => send(path, method, body, signal, { authorization: `Bearer ${token}` });
  try {
    return await with_token();
  } catch (error) {
    if (error.status !== 401) throw error;
    await renewed();
    return with_token();
  }
}

export const get = async (path, signal) => (await asked(path, "GET", undefined, signal)).json();
export const post = async (path, body = {}) => (await asked(path, "POST", body)).json();

export async function logOut() {
  try {
    await post("/auth/logout");
  } finally {
    forget();
    leave();
  }
}

// Server-sent events by fetch, since EventSource cannot send the token. Calls `each(kind, data)` until the stream
// ends, and returns the id where the next one goes on.
export async function follow(path, each, signal, after) {
  const { body } = await asked(path, "GET", undefined, signal);
  if (!body) return after;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => { throw reached(error); });
    if (done) return after;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((line) => { const at = line.indexOf(": "); return [line.slice(0, at), line.slice(at + 2)]; }));
      after = fields.id ?? after;
      if (fields.data) each(fields.event, JSON.parse(fields.data));
    }
  }
}
