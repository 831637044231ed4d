// How the node is: state, problems, sessions, traffic, and the last hour in figures.

import { get } from "./api.js";
import { bytes, el, redraw, repeat, section, state, svg, table, tiles } from "./dom.js";

const EVERY = 5; // seconds
const LEAST = 24; // readings that the chart is wide at first: two minutes
const MOST = 120; // ten minutes

function line(readings, kind, most) {
  const points = readings.map((each, index) => `${(index * 600) / (Math.max(readings.length, LEAST) - 1)},${100 - (each[kind] / most) * 95}`);
  return svg("polyline", { class: kind, points: points.join(" ") });
}

function chart(readings) {
  const most = Math.max(1, ...readings.map((each) => Math.max(each.received, each.sent)));
  const last = readings.at(-1) ?? { received: 0, sent: 0 };
  const text = `Received ${bytes(last.received)}/s, sent ${bytes(last.sent)}/s`;
  return [
    el("p", {}, text, el("span", { class: "soft" }, ` (sent is dashed; the top is ${bytes(most)}/s)`)),
    svg("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img", "aria-label": text },
      svg("line", { class: "axis", x1: 0, x2: 600, y1: 100, y2: 100 }), line(readings, "received", most), line(readings, "sent", most)),
  ];
}

const sum = (sessions, key) => sessions.reduce((all, each) => all + each[key], 0);

const listed = (problems) =>
  problems.length ? el("ul", {}, problems.map(([what, text]) => el("li", {}, el("strong", {}, what), ": ", text))) : el("p", { class: "good" }, "None.");

const named = (totals) => totals.filter((each) => each.total >= 1).map((each) => `${each.label || "all"}: ${Math.round(each.total)}`).join(", ") || "none";

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
  return table("The last hour", ["Figure", "Value"], rows);
}

export async function overview(main, { signal, may }) {
  const refused = el("div", { role: "alert" });
  const now = el("div");
  const problems = el("div");
  const traffic = el("div");
  const past = el("div");
  const forgotten = el("div", { role: "alert" });
  main.append(refused, now, section("Problems", problems), section("Traffic", traffic));
  if (may("figures.read")) main.append(section("The last hour", past, forgotten));
  const readings = [];
  let before = null;
  const look = async () => {
    const status = await get("/status", signal);
    const reading = { at: performance.now(), received: sum(status.sessions, "rx_bytes"), sent: sum(status.sessions, "tx_bytes") };
    if (before) {
      const seconds = (reading.at - before.at) / 1000;
      // A session that ended takes its bytes with it: that is no traffic.
      readings.push({ received: Math.max(0, reading.received - before.received) / seconds, sent: Math.max(0, reading.sent - before.sent) / seconds });
      if (readings.length > MOST) readings.shift();
    }
    before = reading;
    now.replaceChildren(tiles([
      ["Node", status.name],
      ["State", state(status.state, status.state === "running")],
      ["Sessions", status.sessions.length],
      ["Peers", status.peers.length],
      ["Version", status.version],
    ]));
    const trial = status.confirm_by === null ? [] : [["Profile on trial", `confirm it within ${Math.round(status.confirm_by)} s`]];
    problems.replaceChildren(listed([...trial, ...Object.entries(status.problems), ...status.warnings.map((each) => [each.message, each.hint])]));
    traffic.replaceChildren(...chart(readings));
  };
  const remember = async () => {
    redraw(past, hour(await get("/analytics/summary", signal), await get("/analytics/anomalies", signal)));
  };
  await Promise.all([repeat(signal, EVERY, look, refused), may("figures.read") ? repeat(signal, 60, remember, forgotten) : null]);
}
