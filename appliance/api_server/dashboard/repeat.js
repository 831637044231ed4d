// Doing something again: while somebody looks, and not faster than it is done.

import { problem } from "./dom.js";

// Resolves after so many seconds, or when `signal` ends.
export const pause = (seconds, signal) =>
  new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, seconds * 1000);
    signal.addEventListener("abort", end);
  });

// Resolves while the tab is seen: at once, or when it comes back.
export const seen = (signal) =>
  new Promise((done) => {
    if (!document.hidden || signal.aborted) return done();
    const end = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", end);
      signal.removeEventListener("abort", end);
      done();
    };
    document.addEventListener("visibilitychange", end);
    signal.addEventListener("abort", end);
  });

// Asks again and again until the page is left. An error stands in `place`, which is the page's own; that there was no answer at
// all is said above all pages.
export async function repeat(signal, seconds, step, place) {
  while (!signal.aborted) {
    await seen(signal);
    try {
      await step();
      place.replaceChildren();
      place.closest(".page")?.classList.remove("failed");
    } catch (error) {
      if (signal.aborted) return;
      place.closest(".page")?.classList.add("failed");
      place.replaceChildren(...(error.status === 0 ? [] : [problem(error)]));
    }
    await pause(seconds, signal);
  }
}

// `step` as something that may be asked for at any time: once at a time, and once more for all that asked meanwhile.
export function once(step, signal, place) {
  let running = false;
  let wanted = false;
  return async () => {
    wanted = true;
    if (running) return;
    running = true;
    while (wanted && !signal.aborted) {
      wanted = false;
      try {
        await step();
        place?.replaceChildren();
      } catch (error) {
        if (!signal.aborted && error.status !== 0) place?.replaceChildren(problem(error));
      }
      await pause(0.5, signal);
    }
    running = false;
  };
}
