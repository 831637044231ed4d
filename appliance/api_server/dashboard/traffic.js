// How it was: traffic and the node's other figures over time, and what was out of the ordinary.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { el, empty, moment, pill, redraw, section, table } from "./dom.js";
import { choice } from "./forms.js";
import { duration } from "./format.js";
import { listen } from "./events.js";
import { once, repeat } from "./repeat.js";

const PERIODS = {
  hour: ["Hour", 3_600, 15],
  day: ["Day", 86_400, 60],
  week: ["Week", 604_800, 300],
  month: ["Month", 2_592_000, 300],
}; // seconds, and between two looks
const POINTS = 180;
const MOST_LINES = 4;
// What is drawn: lines by name, each a metric, or one for each label of a metric. `rules` are the anomalies that belong to it.
const CHARTS = [
  { title: "Traffic", lines: { received: "traffic.received", sent: "traffic.sent" }, of_peer: true },
  { title: "Round trip", lines: { "round trip": "round-trip" }, of_peer: true, only_peer: true, rules: ["round-trip-doubled"] },
  { title: "Sessions opened", lines: { opened: "sessions.opened" }, of_peer: true, only_peer: true, rules: ["session-flapping"] },
  { title: "Dropped packets", lines: { dropped: "drops" }, rules: ["drops-rising"] },
  { title: "Sessions", lines: { sessions: "sessions", "peers connected": "peers.connected" }, rules: ["session-flapping"] },
  { title: "Requests to the API", labels_of: "api.requests", rules: ["api-failing"] },
  { title: "CPU", labels_of: "cpu", percent: true }, // of a core
  { title: "Memory", labels_of: "memory" },
  { title: "Longest turn of the event loop", lines: { longest: "loop.longest" }, rules: ["loop-slow", "clock-jump"] },
  { title: "Room on the disk", lines: { free: "disk.free" }, rules: ["disk-filling"] },
];

async function names(signal) {
  const found = [];
  for (let after = ""; ;) {
    const page = await get(`/analytics/metrics?limit=1000&after=${encodeURIComponent(after)}`, signal);
    found.push(...page.items);
    if (!page.next) return found;
    after = page.next;
  }
}

const labels = (known, metric) => known.filter((each) => each.metric === metric && each.label).map((each) => each.label);

// [name, metric, label] of each line.
function linesOf(drawn, known, peer) {
  if (drawn.lines) return Object.entries(drawn.lines).map(([name, metric]) => [name, metric, peer]);
  return labels(known, drawn.labels_of)
    .slice(0, MOST_LINES)
    .map((label) => [label, drawn.labels_of, label]);
}

async function one(drawn, { known, seconds, peer, marks, signal }) {
  const series = await Promise.all(
    linesOf(drawn, known, peer).map(async ([name, metric, label]) => {
      const query = new URLSearchParams({ metric, label, seconds, points: POINTS });
      return { name, ...(await get(`/analytics/series?${query}`, signal)) };
    }),
  );
  const [first] = series;
  if (!first) return null;
  const here = marks.filter(
    (each) => drawn.rules?.includes(each.rule) && (!peer || each.label === peer) && (each.until ?? Infinity) >= first.from,
  );
  return chart(
    {
      title: drawn.title,
      percent: drawn.percent,
      unit: first.unit,
      rate: first.kind === "rate",
      from: first.from,
      to: first.to,
      series,
      marks: here,
    },
    signal,
  );
}

const findings = (marks) =>
  table(
    "Out of the ordinary",
    ["Number", "What", "Since", "How long", "What to do"],
    marks.map((each) => [
      each.number,
      el("span", {}, pill(each.until === null ? "now" : "over", each.until === null ? "warn" : "plain"), " ", each.reason),
      moment(each.since),
      duration((each.until ?? Date.now() / 1000) - each.since),
      each.todo,
    ]),
    "Nothing was out of the ordinary.",
  );

export async function traffic(main, { signal, path }) {
  const [period = "hour", peer = ""] = path;
  const [, seconds, every] = PERIODS[period] ?? PERIODS.hour;
  let known = await names(signal);
  const address = (when, whose) => `#/traffic/${when}${whose ? `/${encodeURIComponent(whose)}` : ""}`;
  const periods = el(
    "nav",
    { class: "tabs", "aria-label": "Period" },
    Object.entries(PERIODS).map(([name, [text]]) =>
      el("a", { href: address(name, peer), "aria-current": name === period ? "true" : null }, text),
    ),
  );
  const peers = [...new Set([...labels(known, "traffic.received"), ...(peer ? [peer] : [])])];
  const whose = choice("Peer", "peer", [["", "All together"], ...peers.map((each) => [each, each])], peer);
  whose.addEventListener("change", (event) => {
    location.hash = address(period, event.target.value);
  });
  const refused = el("div", { role: "alert" });
  const charts = el("div", { class: "charts coming" });
  const unusual = el("div", { class: "coming" });
  const heading = el("h2", { class: "unseen" }, "Charts");
  main.append(el("div", { class: "tools" }, periods, whose), refused, heading, charts, section("Out of the ordinary", unusual));
  let drawing = new AbortController();
  // Somebody reads in the charts, so they stay as they are.
  const read = () => charts.contains(document.activeElement) || charts.querySelector("details[open]");
  const look = async () => {
    const [anomalies, now] = await Promise.all([get("/analytics/anomalies", signal), names(signal)]);
    known = now;
    const marks = [...anomalies.now, ...anomalies.over].map((each, index) => ({ ...each, number: index + 1 }));
    redraw(unusual, findings(marks));
    if (read()) return;
    const next = new AbortController();
    const both = AbortSignal.any([signal, next.signal]);
    const wanted = CHARTS.filter((each) => (peer ? each.of_peer : !each.only_peer));
    const drawn = await Promise.all(wanted.map((each) => one(each, { known, seconds, peer, marks, signal: both })));
    if (read()) return next.abort();
    drawing.abort();
    drawing = next;
    charts.replaceChildren(...drawn.filter(Boolean));
    if (!charts.children.length) charts.append(empty("Nothing was counted yet.", "The first figures come within a minute."));
  };
  listen(["anomalies"], once(look, signal, refused), signal);
  await repeat(signal, every, look, refused);
}
