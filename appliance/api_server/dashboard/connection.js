// Says above all pages when the node does not answer, and tries until it does.

import { button, el, say } from "./dom.js";
import { clock } from "./format.js";
import { onAnswer } from "./http.js";
import { pause, seen } from "./repeat.js";

const EVERY = 3; // seconds

// `place` is where it is said; `back()` is called when the node answers again.
export function watch(place, back) {
  let away = null;
  const here = () => {
    away?.abort();
    away = null;
    place.replaceChildren();
  };
  const gone = async () => {
    if (away) return;
    away = new AbortController();
    const { signal } = away;
    const since = clock(Date.now() / 1000);
    place.replaceChildren(
      el(
        "p",
        { class: "away" },
        `The node has not answered since ${since}. What is shown may be old. Trying again…`,
        button("Try now", () => answers(), "plain"),
      ),
    );
    while (!signal.aborted) {
      await pause(EVERY, signal);
      await seen(signal);
      if (!signal.aborted) await answers();
    }
  };
  async function answers() {
    try {
      await fetch("/health", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(EVERY * 1000) });
    } catch {
      return;
    }
    returned();
  }
  function returned() {
    if (!away) return;
    here();
    say("The node answers again.");
    back();
  }
  onAnswer((answered) => (answered ? returned() : gone()));
  addEventListener("offline", gone);
}
