// A profile on trial: how long it has left, and keeping it or taking it back. Seen on all pages.

import { get, post } from "./api.js";
import { act, el, say } from "./dom.js";
import { listen } from "./events.js";
import { duration } from "./format.js";
import { once, pause } from "./repeat.js";

const SETTLED = 0.5; // seconds: an answer about the status may be given again for half of that
const SAID = [60, 30, 10]; // seconds that are also said to whoever listens

// Draws into `place` while there is one; returns what looks again.
export function watchTrial(place, may, signal) {
  const refused = el("div", { role: "alert" });
  const left = el("strong");
  const keep = act(
    "Keep it",
    async () => {
      await post("/node/confirm");
      over();
      say("The profile is kept.");
    },
    { place: refused, kind: "" },
  );
  const back = act(
    "Take it back",
    async () => {
      await post("/node/rollback");
      over();
      say("The profile before is in force again.");
    },
    { place: refused },
  );
  const bar = el(
    "section",
    { class: "trial", "aria-label": "Profile on trial" },
    el("p", {}, "This profile is on trial. Unless somebody confirms it, the one before comes back in ", left, "."),
    may("node.change") ? el("div", { class: "buttons" }, keep, back) : null,
    refused,
  );
  let until = null;
  let timer = null;
  const tick = () => {
    const seconds = Math.max(0, Math.round((until - performance.now()) / 1000));
    left.textContent = duration(seconds);
    if (SAID.includes(seconds)) say(`${duration(seconds)} left to confirm the profile.`);
    if (seconds === 0) {
      stop();
      setTimeout(look, 2_000);
    }
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
  };
  const over = () => {
    stop();
    place.replaceChildren();
    look();
  };
  const look = once(
    async () => {
      await pause(SETTLED, signal);
      const { confirm_by } = await get("/status", signal);
      until = confirm_by === null ? null : performance.now() + confirm_by * 1000;
      if (until === null) {
        stop();
        place.replaceChildren();
        return;
      }
      if (!place.contains(bar)) {
        place.replaceChildren(bar);
        say("A profile is on trial.");
      }
      timer ??= setInterval(tick, 1_000);
      tick();
    },
    signal,
    refused,
  );
  listen(
    ["node"],
    (kind) => {
      if (kind === "node.profile" || kind === "stale") look();
    },
    signal,
  );
  signal.addEventListener(
    "abort",
    () => {
      stop();
      place.replaceChildren();
    },
    { once: true },
  );
  look();
  return look;
}
