// A figure over time as lines: with axes, a summary in words, a table of its points, and what was out of the ordinary marked.

import { el, fold, svg, table } from "./dom.js";
import { clock, count, day, figure, time } from "./format.js";
import { linear, lines, nearest, summed, ticks, timeTicks } from "./scale.js";

const HEIGHT = 190;
const MARGIN = { top: 14, right: 12, bottom: 26, left: 70 };
const MOST_ROWS = 60;

// `found` is { title, unit, rate, from, to, series: [{ name, points }], marks: [{ number, since, until, reason }], none }:
// `none` stands there without points. The picture is as wide as its place, and drawn anew when that changes, until `signal` ends.
export function chart(found, signal) {
  const unit = unitOf(found);
  const read = el("output", { class: "soft", "aria-live": "polite" });
  const box = el("div", {
    class: "drawing",
    tabindex: "0",
    role: "group",
    "aria-label": `${found.title}. ${summary(found, unit)} The arrow keys go through its points.`,
  });
  const there = found.series.some((each) => each.points.length);
  const draw = () => {
    if (box.clientWidth) box.replaceChildren(picture(found, box.clientWidth, unit, read, box));
  };
  if (there) {
    const observer = new ResizeObserver(draw);
    observer.observe(box);
    signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }
  return el(
    "figure",
    { class: "chart" },
    el(
      "figcaption",
      {},
      el(
        "h3",
        {},
        found.title,
        scaled(found) ? el("span", { class: "soft" }, ` (${found.unit}${found.rate ? "/s" : ""})`) : null,
      ),
      legend(found.series),
    ),
    there
      ? [box, read, el("p", { class: "soft" }, summary(found, unit)), points(found, unit)]
      : el("p", { class: "soft" }, found.none ?? "Nothing was counted in this time."),
  );
}

// How its figures are written. What a process used of a second is a part of a core.
function unitOf({ unit, rate, percent }) {
  if (percent) return (value) => `${count(value * 100)} %`;
  return (value) => `${figure(value, unit)}${rate ? "/s" : ""}`;
}

// The same beside an axis, where the unit stands once, above it.
const scaled = ({ unit, percent }) => (percent || unit === "bytes" || unit === "seconds" ? null : count);

const legend = (series) =>
  series.length < 2
    ? null
    : el(
        "ul",
        { class: "legend" },
        series.map((each, index) =>
          el(
            "li",
            {},
            svg(
              "svg",
              { viewBox: "0 0 26 8", "aria-hidden": "true", class: "key" },
              svg("path", { class: `line s${index}`, d: "M0 4H26" }),
            ),
            each.name,
          ),
        ),
      );

// What the lines say, in words.
function summary({ series, rate, percent }, unit) {
  return series
    .map((each) => {
      const sums = summed(each.points);
      if (!sums) return `${each.name}: nothing.`;
      const total = rate && !percent && sums.total !== null ? `, ${unit(sums.total).replace(/\/s$/, "")} in all` : "";
      return `${each.name}: ${unit(sums.mean)} on average, ${unit(sums.most)} at most${total}.`;
    })
    .join(" ");
}

function points({ series, title }, unit) {
  const shown = fold("As a table");
  shown.addEventListener("toggle", () => {
    if (!shown.open || shown.querySelector("table")) return;
    const times = [...new Set(series.flatMap((each) => each.points.map((point) => point.at)))]
      .sort((one, other) => other - one)
      .slice(0, MOST_ROWS);
    const at = series.map((each) => new Map(each.points.map((point) => [point.at, point.mean])));
    shown.append(
      table(
        title,
        ["Time", ...series.map((each) => each.name)],
        times.map((when) => [time(when), ...at.map((each) => (each.has(when) ? unit(each.get(when)) : ""))]),
      ),
    );
  });
  return shown;
}

function picture(found, width, unit, read, box) {
  const { from, to, series, marks } = found;
  const most = Math.max(...series.flatMap((each) => each.points.map((point) => point.mean)));
  const rows = ticks(most, 4, found.unit === "bytes" ? 1024 : 10);
  const x = linear(from, to, MARGIN.left, width - MARGIN.right);
  const y = linear(0, rows.at(-1), HEIGHT - MARGIN.bottom, MARGIN.top);
  const columns = timeTicks(
    from,
    to,
    Math.max(2, Math.floor((width - MARGIN.left) / 90)),
    new Date(from * 1000).getTimezoneOffset() * 60,
  );
  const label =
    columns.step >= 86_400 ? day : (at) => (to - from > 100_000 && new Date(at * 1000).getHours() === 0 ? day(at) : clock(at));
  const cursor = svg("g", { class: "cursor", visibility: "hidden" });
  const drawn = svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" },
    rows.map((row) => [
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(row), y2: y(row) }),
      svg("text", { x: MARGIN.left - 8, y: y(row) + 4, "text-anchor": "end" }, (scaled(found) ?? unit)(row)),
    ]),
    columns.at
      .filter((at) => x(at) < width - 24)
      .map((at) => svg("text", { x: x(at), y: HEIGHT - 7, "text-anchor": "middle" }, label(at))),
    marks.map((each) => mark(each, x, from, to)),
    series.map((each, index) => svg("path", { class: `line s${index}`, d: lines(each.points, x, y) })),
    cursor,
  );
  explore(drawn, cursor, { series, x, y, from, to, unit, read, box, width });
  return drawn;
}

function mark({ number, since, until, reason }, x, from, to) {
  const begins = x(Math.max(from, since));
  const ends = x(Math.min(to, until ?? to));
  return svg(
    "g",
    { class: "mark" },
    svg("title", {}, reason),
    svg("rect", { x: begins, y: MARGIN.top, width: Math.max(3, ends - begins), height: HEIGHT - MARGIN.top - MARGIN.bottom }),
    svg("text", { x: begins + 3, y: MARGIN.top + 11 }, String(number)),
  );
}

// The figures at a time: where the pointer is, or where the arrow keys went.
function explore(drawn, cursor, { series, x, y, from, to, unit, read, box, width }) {
  const times = [...new Set(series.flatMap((each) => each.points.map((point) => point.at)))].sort((one, other) => one - other);
  let place = times.length;
  const show = (at) => {
    place = times.indexOf(at);
    const found = series.map((each, index) => [each, nearest(each.points, at), index]).filter(([, point]) => point?.at === at);
    cursor.setAttribute("visibility", "visible");
    cursor.replaceChildren(
      svg("line", { x1: x(at), x2: x(at), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }),
      ...found.map(([, point, index]) => svg("circle", { class: `s${index}`, cx: x(at), cy: y(point.mean), r: 4 })),
    );
    read.textContent = `${time(at)}: ${found.map(([each, point]) => `${each.name} ${unit(point.mean)}`).join(", ")}`;
  };
  const hide = () => {
    cursor.setAttribute("visibility", "hidden");
    read.textContent = "";
  };
  drawn.onpointermove = (event) => {
    const at = from + ((event.offsetX - MARGIN.left) / (width - MARGIN.left - MARGIN.right)) * (to - from);
    const found = nearest(
      times.map((each) => ({ at: each })),
      at,
    );
    if (found) show(found.at);
  };
  drawn.onpointerleave = () => {
    if (document.activeElement !== box) hide();
  };
  box.onkeydown = (event) => {
    const steps = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: times.length - 1 }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    show(times[Math.max(0, Math.min(times.length - 1, steps))]);
  };
  box.onblur = hide;
}
