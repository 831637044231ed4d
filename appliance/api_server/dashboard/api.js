// Asks the API as whoever is logged in.

import { send, unanswered } from "./http.js";
import { fresh } from "./session.js";

const QUIET = 45_000; // milliseconds: a stream says something each 15 s, or its connection is gone
const REFUSED = new Set(["Unauthenticated", "TokenExpired", "TokenNotValid"]); // about the token: a wrong password is a 401 too

async function asked(method, path, options) {
  const token = await fresh();
  try {
    return await send(method, path, { ...options, token });
  } catch (error) {
    if (error.status !== 401 || !REFUSED.has(error.code)) throw error;
    return send(method, path, { ...options, token: await fresh(token) });
  }
}

const answered = async (method, path, options) => {
  const answer = await asked(method, path, options);
  return answer.json().catch((error) => {
    throw unanswered(error, options.signal);
  });
};

export const get = (path, signal) => answered("GET", path, { signal });
export const post = (path, body = {}) => answered("POST", path, { body });
export const put = (path, body) => answered("PUT", path, { body });
export const patch = (path, body) => answered("PATCH", path, { body });
export const remove = (path) => answered("DELETE", path, {});

// A path with names in it: path`/users/${name}`.
export const path = (parts, ...names) => String.raw({ raw: parts }, ...names.map(encodeURIComponent));

// Server-sent events by fetch, since EventSource cannot send the token. Calls `each(kind, data)` until the stream ends;
// `cursor.after` is the id behind which the next one goes on. `answered()` is called when it has begun.
export async function follow(where, each, signal, cursor, answered = () => {}) {
  const { body } = await asked("GET", where, { signal, stream: true });
  answered();
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => reader.cancel().catch(() => {}), QUIET); // reading ends then, and the caller begins anew
    const { value, done } = await reader
      .read()
      .catch((error) => {
        throw unanswered(error, signal);
      })
      .finally(() => clearTimeout(silence));
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(
        event.split("\n").map((line) => {
          const at = line.indexOf(": ");
          return [line.slice(0, at), line.slice(at + 2)];
        }),
      );
      cursor.after = fields.id ?? cursor.after;
      if (fields.data) each(fields.event, JSON.parse(fields.data));
    }
  }
}
