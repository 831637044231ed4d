// What happens, told as it happens: one stream for all pages of this tab. A tab that nobody sees has none: a browser has six
// connections to a host, for all its tabs together.

import { follow } from "./api.js";
import { pause, seen } from "./repeat.js";

const listeners = new Set();
const LONGEST = 30; // seconds between two attempts

// Calls `each(kind, data)` for events of these topics until `signal` ends, and with the kind `stale` when some may be missing.
export function listen(topics, each, signal) {
  const one = { topics, each };
  listeners.add(one);
  signal.addEventListener("abort", () => listeners.delete(one), { once: true });
}

function tell(kind, data) {
  const topic = kind.split(".")[0];
  for (const { topics, each } of [...listeners]) if (kind === "stale" || topics.includes(topic)) each(kind, data);
}

// Follows events until `signal` ends. `told(live)` says whether it does.
export async function stream(signal, told) {
  const cursor = {};
  let wait = 1;
  for (let first = true; !signal.aborted; first = false) {
    await seen(signal);
    const hidden = new AbortController();
    const look = () => {
      if (document.hidden) hidden.abort();
    };
    document.addEventListener("visibilitychange", look);
    const began = Date.now();
    try {
      if (!first && cursor.after === undefined) tell("stale", {});
      const answered = () => told(true);
      await follow(
        `/events${cursor.after === undefined ? "" : `?after=${cursor.after}`}`,
        tell,
        AbortSignal.any([signal, hidden.signal]),
        cursor,
        answered,
      );
    } catch {
      // It is tried again, and the banner says when the node does not answer.
    }
    document.removeEventListener("visibilitychange", look);
    if (hidden.signal.aborted || signal.aborted) continue;
    told(false);
    wait = Date.now() - began > 5_000 ? 1 : Math.min(wait * 2, LONGEST);
    await pause(wait, signal);
  }
}
