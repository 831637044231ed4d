// Peers, and the paths to them.

import { get } from "./api.js";
import { el, empty, facts, link, moment, pill, redraw, section, table } from "./dom.js";
import { duration } from "./format.js";
import { paged } from "./list.js";
import { repeat } from "./repeat.js";

const EVERY = 5; // seconds

// All peers, page by page.
export async function everybody(signal) {
  const found = [];
  for (let after = ""; ;) {
    const page = await get(`/peers?limit=1000&after=${encodeURIComponent(after)}`, signal);
    found.push(...page.items);
    if (!page.next) return found;
    after = page.next;
  }
}

const trip = (peer) => (typeof peer.rtt_ms === "number" ? `${peer.rtt_ms.toFixed(1)} ms` : "");
const connected = (peer) => {
  if (peer.blocked) return pill("blocked", "bad");
  if (peer.not_taken) return pill("not taken in", "bad");
  return peer.connected ? pill("connected", "good") : pill("not connected", "bad");
};
const blocked = ({ reason, by, until }) =>
  `${by ? `by ${by}` : "by this node"}${reason ? ` (${reason})` : ""}, ${until ? `until ${moment(until)}` : "until it is taken back"}`;

const row = (peer) => [
  link(peer.name, `#/peers/${encodeURIComponent(peer.name)}`),
  connected(peer),
  peer.path ?? "none",
  trip(peer),
  peer.endpoint ?? "",
  peer.standing ?? peer.origin,
];

function one(peer) {
  const path = peer.path ? `${peer.path}${peer.path_since_s === undefined ? "" : ` for ${duration(peer.path_since_s)}`}` : "none";
  return [
    el("h2", {}, peer.name, " ", connected(peer)),
    facts(
      [
        ["Identity", el("code", {}, peer.identity)],
        ["Origin", peer.origin],
        ["Standing", peer.standing ?? "not a member"],
        ["Path", path],
        peer.why ? ["Why not direct", peer.why] : null,
        ["Endpoint", peer.endpoint || "none"],
        ["Round trip", trip(peer) || "not measured"],
        ["Session for", typeof peer.since_s === "number" ? duration(peer.since_s) : "none"],
        ["Prefixes behind it", (peer.allowed ?? []).join(", ") || "none"],
        peer.expires ? ["Certificate ends", moment(peer.expires)] : null,
        peer.blocked ? ["Blocked", blocked(peer.blocked)] : null,
        peer.not_taken ? ["Not taken in", peer.not_taken] : null,
        peer.last_error ? ["Last error", peer.last_error] : null,
      ].filter(Boolean),
    ),
  ];
}

const passed = (peer) =>
  table(
    "Endpoints passed over",
    ["Endpoint", "Why"],
    (peer.passed_over ?? []).map((each) => [each.endpoint, each.reason]),
    "None.",
  );
const found = (places) =>
  table(
    "Places",
    ["Endpoint", "Who said so", "Last attempt", "In use"],
    places.map((each) => [each.endpoint, each.kind, each.tried ?? "", each.works ? "yes" : "no"]),
    "None is known.",
  );

async function detail(main, name, { signal, may }) {
  const refused = el("div", { role: "alert" });
  const facts_ = el("section", { class: "coming" });
  const places = el("div", { class: "coming" });
  const over = el("div", { class: "coming" });
  main.append(
    el("p", { class: "back" }, link("All peers", "#/peers")),
    refused,
    facts_,
    section("Where it may be", places),
    section("Endpoints that would be better", over),
  );
  if (may("figures.read")) main.append(el("p", {}, link("Its traffic over time", `#/traffic/hour/${encodeURIComponent(name)}`)));
  await repeat(
    signal,
    EVERY,
    async () => {
      const [all, discovered] = await Promise.all([everybody(signal), get("/discovered?limit=1000", signal)]);
      const peer = all.find((each) => each.name === name);
      if (!peer) return redraw(facts_, empty(`There is no peer ${name}.`, "It may have left meanwhile."));
      redraw(facts_, ...one(peer));
      redraw(places, found(discovered.items.filter((each) => each.peer === name)));
      redraw(over, passed(peer));
    },
    refused,
  );
}

export async function peers(main, page) {
  if (page.path[0]) return detail(main, page.path[0], page);
  const refused = el("div", { role: "alert" });
  const look = (after, limit) => get(`/peers?limit=${limit}&after=${encodeURIComponent(after)}`, page.signal);
  const draw = (items) =>
    table(
      "Peers",
      ["Name", "State", "Path", "Round trip", "Endpoint", "Standing"],
      items.map(row),
      empty("This node has no peers.", "They stand in its profile, or come with a network of members."),
    );
  const list = paged(look, draw, { size: 200, one: "peer", many: "peers" });
  main.append(refused, section("Peers and paths", list.element));
  await repeat(page.signal, EVERY, list.refresh, refused);
}
