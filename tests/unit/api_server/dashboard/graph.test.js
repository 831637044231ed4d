// The picture's nodes, from what the API says of peers and relays.

import assert from "node:assert/strict";
import test from "node:test";
import { graph, reached, told } from "./graph.js";

const PEERS = [
  { name: "office", identity: "llp1:aa", connected: true, path: "direct", endpoint: "udp://192.0.2.1:8443", rtt_ms: 3 },
  { name: "phone", identity: "llp1:bb", connected: true, path: "relayed", endpoint: "relay://llp1:aa" },
  { name: "van", identity: "llp1:cc", connected: true, path: "relayed", endpoint: "relay://llp1:zz" },
  { name: "attic", identity: "llp1:dd", connected: false, endpoint: "" },
  { name: "twin", identity: "llp1:ee", connected: false, not_taken: "its address is taken" },
];

test("who is reached over whom", () => {
  const { nodes } = graph(PEERS, null);
  assert.deepEqual(
    nodes.map((each) => [each.id, each.path, each.relay]),
    [
      ["office", "direct", ""],
      ["phone", "relayed", "office"],
      ["van", "relayed", ""],
      ["attic", "none", ""],
      ["twin", "none", ""],
    ],
  );
  assert.deepEqual(
    nodes.filter((each) => each.is_relay).map((each) => each.id),
    ["office"],
  );
  assert.deepEqual(nodes.map(reached), ["direct", "relayed by office", "relayed", "not connected", "not taken in"]);
});

test("the status knows relays too", () => {
  const relays = {
    uses: {
      circuits: [
        { relay: "office", peer: "van" },
        { relay: "gone", peer: "attic" },
      ],
      relays: [{ relay: "attic" }],
    },
  };
  const { nodes } = graph(PEERS, relays);
  assert.equal(nodes[2].relay, "office");
  assert.ok(nodes[3].is_relay);
  assert.equal(nodes[3].relay, "", "who is not connected has no path");
});

test("in words", () => {
  assert.equal(told(graph(PEERS, null).nodes), "5 peers: 1 direct, 2 over a relay, 2 not connected.");
  assert.equal(told(graph(PEERS.slice(0, 1), undefined).nodes), "1 peer: 1 direct.");
  assert.equal(told([]), "This node has no peers.");
});
