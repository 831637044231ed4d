// From figures to places in a picture: ticks of axes, and lines. Pure.

const STEPS = [1, 2, 5, 10];
const TIMES = [10, 60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]; // seconds

// Round figures from 0 to at least `most`, about `wanted` of them. Of bytes round means a power of 1024 is in them.
export function ticks(most, wanted, base = 10) {
  if (!(most > 0)) return [0, 1];
  const unit = base === 1024 ? 1024 ** Math.floor(Math.log(most) / Math.log(1024)) : 1;
  const rough = most / unit / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * STEPS.find((each) => each * power >= rough * 0.999) * unit;
  const top = Math.ceil(most / step - 0.001);
  return Array.from({ length: top + 1 }, (_, index) => index * step);
}

// Times between `from` and `to` (Unix seconds) that are round on the reader's clock; `offset` are his seconds before UTC.
export function timeTicks(from, to, wanted, offset = 0) {
  const step = TIMES.find((each) => (to - from) / each <= wanted) ?? TIMES.at(-1);
  const first = Math.ceil((from - offset) / step) * step + offset;
  const found = [];
  for (let at = first; at <= to; at += step) found.push(at);
  return { step, at: found };
}

// From [0, most] or [from, to] to a length in the picture.
export const linear = (from, to, start, end) => (value) => start + ((value - from) / (to - from || 1)) * (end - start);

// Lines through points {at, mean}: a new one behind a gap, in which nothing was read. A point alone is a short line.
export function lines(points, x, y) {
  const found = [];
  const step = usual(points);
  let before = null;
  for (const point of points) {
    const place = `${round(x(point.at))},${round(y(point.mean))}`;
    if (before !== null && point.at - before <= step * 1.5) found.at(-1).push(place);
    else found.push([place]);
    before = point.at;
  }
  return found.map((each) => (each.length === 1 ? `M${each[0]}h1` : `M${each.join("L")}`)).join("");
}

// The least distance of two points: intervals are as long, but where some are missing.
function usual(points) {
  let least = Infinity;
  for (let index = 1; index < points.length; index++) least = Math.min(least, points[index].at - points[index - 1].at);
  return least;
}

// The point at that time or nearest to it; null if there is none.
export function nearest(points, at) {
  let found = null;
  for (const each of points) if (!found || Math.abs(each.at - at) < Math.abs(found.at - at)) found = each;
  return found;
}

// Least, mean and most of all points, and what was counted; null without points.
export function summed(points) {
  if (!points.length) return null;
  const all = (key) => points.map((each) => each[key]);
  return {
    least: Math.min(...all("least")),
    mean: all("mean").reduce((sum, each) => sum + each, 0) / points.length,
    most: Math.max(...all("most")),
    total: points.every((each) => each.total !== null && each.total !== undefined)
      ? all("total").reduce((sum, each) => sum + each, 0)
      : null,
  };
}

const round = (number) => Math.round(number * 10) / 10;
