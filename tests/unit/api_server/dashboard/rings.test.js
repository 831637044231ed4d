// Where the nodes of the picture stand: each has a place of its own, within the picture, however many there are.

import assert from "node:assert/strict";
import test from "node:test";
import { placed } from "./rings.js";

const PATHS = ["direct", "relayed", "none"];
const peers = (number, of = PATHS) =>
  Array.from({ length: number }, (_, index) => ({ id: `peer-${index}`, path: of[index % of.length], relay: "" }));

function closest(places) {
  let least = Infinity;
  places.forEach((one, index) =>
    places.slice(0, index).forEach((other) => {
      least = Math.min(least, Math.hypot(one.x - other.x, one.y - other.y));
    }),
  );
  return least;
}

for (const [number, width, apart] of [
  [3, 1000, 100],
  [3, 320, 80],
  [20, 1000, 85],
  [100, 320, 12],
  [500, 1000, 12],
  [500, 320, 6],
  [2000, 1000, 5],
]) {
  test(`${number} peers have room at a width of ${width}`, () => {
    const { places, height } = placed(peers(number), width);
    const all = [...places.values()];
    assert.equal(all.length, number);
    for (const { x, y } of all) assert.ok(x > 0 && x < width && y > 0 && y < height, `${x} ${y}`);
    assert.ok(closest(all) >= apart, `${closest(all)}`);
  });
}

test("a few have their names, many have not", () => {
  assert.ok(placed(peers(3), 1000).letters >= 15);
  assert.ok(placed(peers(40), 1000).letters > 0);
  assert.equal(placed(peers(500), 1000).letters, 0);
});

test("who has a direct path is inside, who has none outside", () => {
  const { places, width, height } = placed(peers(60), 900);
  const mean = (path) => {
    const found = peers(60)
      .filter((each) => each.path === path)
      .map((each) => places.get(each.id).ring);
    return found.reduce((sum, each) => sum + each, 0) / found.length;
  };
  assert.ok(width === 900 && height > 0);
  assert.ok(mean("direct") < mean("relayed") && mean("relayed") < mean("none"));
});

test("who is reached over a relay stands near it", () => {
  const nodes = [
    ...peers(8, ["direct"]),
    ...["peer-0", "peer-4"].map((relay, index) => ({ id: `behind-${index}`, path: "relayed", relay })),
  ];
  const { places } = placed(nodes, 1000);
  const far = (one, other) => Math.hypot(places.get(one).x - places.get(other).x, places.get(one).y - places.get(other).y);
  assert.ok(far("behind-0", "peer-0") < far("behind-0", "peer-4"));
  assert.ok(far("behind-1", "peer-4") < far("behind-1", "peer-0"));
});

test("the same peers have the same places, and nobody none", () => {
  assert.deepEqual([...placed(peers(50), 700).places], [...placed(peers(50), 700).places]);
  assert.equal(placed([], 700).places.size, 0);
});
