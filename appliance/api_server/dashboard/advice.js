// Everything that is not as it should be, and what to do about it.

import { get } from "./api.js";
import { el, empty, pill, redraw, section } from "./dom.js";
import { time } from "./format.js";
import { listen } from "./events.js";
import { once, repeat } from "./repeat.js";

const EVERY = 30; // seconds

// { level: "bad" | "warn", what, about, todo } of each finding, what is worst first.
function findings({ status, plugins, crypto, server, anomalies }) {
  const found = [];
  for (const [what, about] of Object.entries(status.problems)) found.push({ level: "bad", what, about, todo: "" });
  for (const each of plugins)
    if (each.problem) found.push({ level: "bad", what: `plugin ${each.name}`, about: each.problem, todo: each.hint ?? "" });
  for (const each of anomalies)
    found.push({
      level: "warn",
      what: each.label ? `${each.rule}: ${each.label}` : each.rule,
      about: `${each.reason} Since ${time(each.since)}.`,
      todo: each.todo,
    });
  for (const each of status.warnings) found.push({ level: "warn", what: "configuration", about: each.message, todo: each.hint });
  for (const about of crypto.reasons) found.push({ level: "warn", what: "cryptography", about, todo: "" });
  for (const about of status.profile.refused)
    found.push({ level: "warn", what: "profile", about, todo: "Look at the page Changes." });
  for (const [reason, times] of Object.entries(server.refused))
    if (times)
      found.push({
        level: "plain",
        what: "refused at the edge of the API",
        about: `${reason}: ${times} since it was started`,
        todo: "",
      });
  return found;
}

const WORDS = { bad: "problem", warn: "advice", plain: "note" };
const item = (each) =>
  el(
    "li",
    {},
    el("p", {}, pill(WORDS[each.level], each.level), " ", el("strong", {}, each.what)),
    el("p", {}, each.about),
    each.todo ? el("p", { class: "todo" }, each.todo) : null,
  );

export async function advice(main, { signal, may }) {
  const refused = el("div", { role: "alert" });
  const all = el("div", { class: "coming" });
  main.append(
    refused,
    section(
      "What to look at",
      all,
      el(
        "p",
        { class: "soft" },
        "The command `appliance doctor` on the node's host looks at the host as well: kernel, routes, firewall, clock.",
      ),
    ),
  );
  const look = async () => {
    const [status, plugins, crypto, server, anomalies] = await Promise.all([
      get("/status", signal),
      get("/plugins?limit=1000", signal),
      get("/node/crypto", signal),
      get("/server", signal),
      may("figures.read") ? get("/analytics/anomalies", signal) : { now: [] },
    ]);
    const found = findings({ status, plugins: plugins.items, crypto, server, anomalies: anomalies.now });
    redraw(
      all,
      found.length
        ? el("ul", { class: "findings" }, found.map(item))
        : empty("Nothing needs your attention.", "This page looks again by itself."),
    );
  };
  listen(["node", "anomalies"], once(look, signal, refused), signal);
  await repeat(signal, EVERY, look, refused);
}
