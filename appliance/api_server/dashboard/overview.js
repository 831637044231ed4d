// How the node is: state, problems, sessions, traffic, and the last hour in figures.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { el, facts, link, pill, redraw, section, tiles } from "./dom.js";
import { bytes, duration } from "./format.js";
import { repeat } from "./repeat.js";

const EVERY = 5; // seconds
const MOST = 120; // readings: ten minutes
const LEAST = 120; // seconds that the chart is wide at first

// Kept while the tab is open: who comes back sees the minutes before.
const readings = [];
let before = null;

function drawn(signal) {
  const to = readings.at(-1)?.at ?? Date.now() / 1000;
  const from = Math.min(readings[0]?.at ?? to, to - LEAST);
  const series = ["received", "sent"].map((name) => ({
    name,
    points: readings.map((each) => ({ at: each.at, mean: each[name], least: each[name], most: each[name] })),
  }));
  return chart({ title: "Now", unit: "bytes", rate: true, from, to, series, marks: [], none: "Measuring…" }, signal);
}

const sum = (sessions, key) => sessions.reduce((all, each) => all + each[key], 0);

const listed = (problems) =>
  problems.length
    ? el(
        "ul",
        {},
        problems.map(([what, text]) => el("li", {}, el("strong", {}, what), ": ", text)),
      )
    : el("p", {}, pill("none", "good"));

const named = (totals) =>
  totals
    .filter((each) => each.total >= 1)
    .map((each) => `${each.label || "all"}: ${Math.round(each.total)}`)
    .join(", ") || "none";

function hour(summary, anomalies) {
  const rows = [
    ["Traffic", `${bytes(summary.traffic.received.total)} received, ${bytes(summary.traffic.sent.total)} sent`],
    ["Sessions opened", Math.round(summary.sessions.opened)],
    ["Dropped packets", named(summary.drops.reasons)],
    ["Requests to the API", named(summary.api)],
    ["Jobs", named(summary.jobs)],
    ["CPU seconds", summary.node.cpu.map((each) => `${each.label}: ${each.total.toFixed(1)}`).join(", ") || "none yet"],
    ["Memory", summary.node.memory.map((each) => `${each.label}: ${bytes(each.mean)}`).join(", ") || "none yet"],
    ["Out of the ordinary", anomalies.now.map((each) => `${each.reason} ${each.todo}`).join(" ") || "nothing"],
  ];
  return facts(rows);
}

export async function overview(main, { signal, may }) {
  const refused = el("div", { role: "alert" });
  const now = el("div", { class: "coming" });
  const [problems, traffic, past] = [
    el("div", { class: "coming" }),
    el("div", { class: "coming" }),
    el("div", { class: "coming" }),
  ];
  const forgotten = el("div", { role: "alert" });
  main.append(refused, now, section("Problems", problems), section("Traffic", traffic));
  if (may("figures.read"))
    main.append(section("The last hour", past, forgotten, el("p", {}, link("All of it over time", "#/traffic"))));
  let drawing = new AbortController();
  const look = async () => {
    const status = await get("/status", signal);
    const reading = { at: Date.now() / 1000, received: sum(status.sessions, "rx_bytes"), sent: sum(status.sessions, "tx_bytes") };
    if (before) {
      const seconds = Math.max(1, reading.at - before.at);
      // A session that ended takes its bytes with it: that is no traffic.
      readings.push({
        at: reading.at,
        received: Math.max(0, reading.received - before.received) / seconds,
        sent: Math.max(0, reading.sent - before.sent) / seconds,
      });
      if (readings.length > MOST) readings.shift();
    }
    before = reading;
    now.replaceChildren(
      tiles([
        ["Node", status.name],
        ["State", pill(status.state, status.state === "running" ? "good" : "bad")],
        ["Sessions", link(status.sessions.length, "#/topology")],
        ["Peers", link(status.peers.length, "#/peers")],
        ["Up for", duration((Date.now() - new Date(status.since)) / 1000)],
        ["Version", status.version],
      ]),
    );
    redraw(problems, listed([...Object.entries(status.problems), ...status.warnings.map((each) => [each.message, each.hint])]));
    if (traffic.contains(document.activeElement) || traffic.querySelector("[open]")) return; // somebody reads in it
    drawing.abort();
    drawing = new AbortController();
    traffic.replaceChildren(drawn(AbortSignal.any([signal, drawing.signal])));
  };
  const remember = async () => {
    redraw(past, hour(await get("/analytics/summary", signal), await get("/analytics/anomalies", signal)));
  };
  await Promise.all([repeat(signal, EVERY, look, refused), may("figures.read") ? repeat(signal, 60, remember, forgotten) : null]);
}
