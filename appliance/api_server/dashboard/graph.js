// The node and its peers as what is drawn and listed: who is reached how, and over whom. Pure.

const RELAY = "relay://";

// From pages of `peers` and the relays of `status`: { nodes, relays }. A node is { id, name, path, relay, is_relay, peer }.
export function graph(peers, relays) {
  const names = new Map(peers.map((each) => [each.identity, each.name]));
  const uses = relays?.uses ?? {};
  const circuits = new Map((uses.circuits ?? []).map((each) => [each.peer, each.relay]));
  const relaying = new Set((uses.relays ?? []).map((each) => each.relay));
  const nodes = peers.map((peer) => {
    const path = peer.connected ? (peer.path === "relayed" ? "relayed" : "direct") : "none";
    const named = peer.endpoint?.startsWith(RELAY) ? names.get(peer.endpoint.slice(RELAY.length).split(/[/?]/)[0]) : "";
    const relay = path === "relayed" ? named || circuits.get(peer.name) || "" : "";
    if (relay) relaying.add(relay);
    return { id: peer.name, name: peer.name, path, relay, peer };
  });
  const there = new Set(nodes.map((each) => each.id));
  return {
    nodes: nodes.map((each) => ({ ...each, relay: there.has(each.relay) ? each.relay : "", is_relay: relaying.has(each.id) })),
  };
}

// How a node is reached, in words.
export function reached({ path, relay, peer }) {
  if (path === "none") return peer.not_taken ? "not taken in" : "not connected";
  if (path === "direct") return "direct";
  return relay ? `relayed by ${relay}` : "relayed";
}

// One sentence that says what the picture shows.
export function told(nodes) {
  const number = (path) => nodes.filter((each) => each.path === path).length;
  const parts = [
    [number("direct"), "direct"],
    [number("relayed"), "over a relay"],
    [number("none"), "not connected"],
  ];
  const said = parts.filter(([many]) => many).map(([many, how]) => `${many} ${how}`);
  return nodes.length
    ? `${nodes.length} ${nodes.length === 1 ? "peer" : "peers"}: ${said.join(", ")}.`
    : "This node has no peers.";
}
