// Peers, and the paths to them.

import { get } from "./api.js";
import { button, el, redraw, repeat, state, section, table } from "./dom.js";

const row = (peer) => [
  peer.name,
  state(peer.connected ? "connected" : "not connected", peer.connected),
  peer.path ?? "none",
  peer.rtt_ms === null || peer.rtt_ms === undefined ? "" : `${peer.rtt_ms.toFixed(1)} ms`,
  peer.endpoint ?? "",
  peer.standing ?? peer.origin,
];

export async function peers(main, { signal }) {
  const refused = el("div", { role: "alert" });
  const all = el("div");
  let [after, next] = ["", ""];
  const more = button("", () => { after = next; look().catch(() => {}); }, "plain");
  main.append(refused, section("Peers and paths", all, more));
  const look = async () => {
    const page = await get(`/peers?limit=200&after=${encodeURIComponent(after)}`, signal);
    next = page.next;
    more.hidden = !next && !after;
    more.textContent = next ? "Next page" : "First page";
    redraw(all, table("Peers", ["Name", "State", "Path", "Round trip", "Endpoint", "Standing"], page.items.map(row), "The node has no peers."));
  };
  await repeat(signal, 5, look, refused);
}
