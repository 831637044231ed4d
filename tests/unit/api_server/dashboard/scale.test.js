// Axes and lines of charts.

import assert from "node:assert/strict";
import test from "node:test";
import { linear, lines, nearest, summed, ticks, timeTicks } from "./scale.js";

test("ticks are round, begin at nothing, and reach the top", () => {
  assert.deepEqual(ticks(7, 4), [0, 2, 4, 6, 8]);
  assert.deepEqual(ticks(100, 4), [0, 50, 100]);
  assert.deepEqual(ticks(0, 4), [0, 1]);
  assert.deepEqual(ticks(NaN, 4), [0, 1]);
  for (const most of [1e-6, 0.013, 0.9, 1, 3, 99.9, 1e4, 7.3e9]) {
    for (const base of [10, 1024]) {
      const found = ticks(most, 4, base);
      assert.ok(found[0] === 0 && found.at(-1) >= most * 0.999 && found.length <= 8, `${most} ${found}`);
    }
  }
});

test("bytes have ticks of their own units", () => {
  assert.deepEqual(
    ticks(1.2 * 1024 ** 2, 4, 1024).map((each) => each / 1024 ** 2),
    [0, 0.5, 1, 1.5],
  );
});

test("times are round on the reader's clock", () => {
  const { step, at } = timeTicks(1_000_000, 1_003_600, 6);
  assert.equal(step, 600);
  assert.ok(at.every((each) => each % 600 === 0 && each >= 1_000_000 && each <= 1_003_600));
  const india = timeTicks(0, 86_400 * 3, 4, -5.5 * 3600);
  assert.ok(
    india.at.every((each) => (each + 5.5 * 3600) % india.step === 0),
    "midnight where he is",
  );
});

test("a line ends where nothing was read", () => {
  const points = [0, 10, 20, 60, 70, 200].map((at) => ({ at, mean: 1 }));
  const same = (value) => value;
  assert.equal(lines(points, same, same), "M0,1L10,1L20,1M60,1L70,1M200,1h1");
  assert.equal(lines([], same, same), "");
});

test("figures lie between the ends", () => {
  const x = linear(0, 10, 100, 200);
  assert.deepEqual([x(0), x(5), x(10)], [100, 150, 200]);
  assert.equal(linear(3, 3, 100, 200)(3), 100);
});

test("what all points say together", () => {
  assert.equal(summed([]), null);
  const points = [
    { least: 1, mean: 2, most: 4, total: 20 },
    { least: 0, mean: 4, most: 9, total: 40 },
  ];
  assert.deepEqual(summed(points), { least: 0, mean: 3, most: 9, total: 60 });
  assert.equal(summed([{ least: 1, mean: 2, most: 4, total: null }]).total, null, "a level has none");
  assert.equal(nearest([{ at: 1 }, { at: 5 }], 4).at, 5);
  assert.equal(nearest([], 4), null);
});
