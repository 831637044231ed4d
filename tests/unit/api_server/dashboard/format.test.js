// Figures and names as people read them.

import assert from "node:assert/strict";
import test from "node:test";
import { bytes, count, duration, figure, plural, short } from "./format.js";

const told = (of, pairs) => pairs.forEach(([given, text]) => assert.equal(of(given), text));

test("bytes", () =>
  told(bytes, [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [150 * 1024, "150 KiB"],
    [5.5 * 1024 ** 3, "5.5 GiB"],
    [1024 ** 5, "1024 TiB"],
  ]));
test("counts", () =>
  told(count, [
    [0, "0"],
    [0.0371, "0.0371"],
    [12, "12"],
    [9999, "9999"],
    [12_345, "12.3 k"],
    [1_234_567, "1.23 M"],
    [5e9, "5 G"],
  ]));
test("durations", () =>
  told(duration, [
    [0, "0 s"],
    [-5, "0 s"],
    [59.6, "1 min"],
    [3_661, "1 h 1 min"],
    [90_000, "1 d 1 h"],
    [86_400 * 30, "30 d"],
  ]));
test("figures with their units", () => {
  assert.equal(figure(2048, "bytes"), "2.0 KiB");
  assert.equal(figure(0.0123, "seconds"), "12.3 ms");
  assert.equal(figure(2, "seconds"), "2 s");
  assert.equal(figure(3, "packets"), "3 packets");
  assert.equal(figure(1, "packets"), "1 packet");
});
test("names", () => {
  assert.equal(plural(1, "peer"), "1 peer");
  assert.equal(plural(2, "entry", "entries"), "2 entries");
  assert.equal(short("gateway", 10), "gateway");
  assert.equal(short("a-very-long-name", 8), "a-very-…");
  assert.equal(short("😀😀😀😀", 3), "😀😀…", "letters are not cut in half");
});
