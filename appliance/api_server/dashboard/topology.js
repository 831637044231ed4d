// The node and its peers as a picture, and the same as a table.

import { get } from "./api.js";
import { el, link, pill, redraw, section, svg, table } from "./dom.js";
import { short } from "./format.js";
import { graph, reached, told } from "./graph.js";
import { everybody } from "./peers.js";
import { placed } from "./rings.js";
import { repeat } from "./repeat.js";

const EVERY = 5; // seconds
const KINDS = { direct: ["good", "connected"], relayed: ["warn", "relayed"], none: ["bad", "not connected"] };
const MOST_ROWS = 100;

const trip = (peer) => (typeof peer.rtt_ms === "number" ? `${peer.rtt_ms.toFixed(1)} ms` : "");

const said = (node) =>
  [node.name, reached(node), trip(node.peer), node.is_relay ? "a relay" : "", node.peer.standing ?? ""]
    .filter(Boolean)
    .join(", ");

function edge(from, to, path, dense) {
  return svg("line", { class: `edge ${path}${dense ? " dense" : ""}`, x1: from.x, y1: from.y, x2: to.x, y2: to.y });
}

function dot(node, place, letters, selected) {
  const radius = letters ? 9 : 6;
  const shape = node.is_relay
    ? svg("rect", { x: place.x - radius, y: place.y - radius, width: radius * 2, height: radius * 2, rx: 3 })
    : svg("circle", { cx: place.x, cy: place.y, r: radius });
  const label =
    letters || node.is_relay
      ? svg("text", { x: place.x, y: place.y + radius + 15, "text-anchor": "middle" }, short(node.name, letters || 12))
      : null;
  return svg(
    "g",
    {
      class: `node ${node.path}${selected ? " selected" : ""}`,
      role: "button",
      tabindex: "-1",
      "aria-label": said(node),
      "data-key": node.id,
    },
    svg("title", {}, said(node)),
    shape,
    label,
  );
}

// `chosen(node)` is called for the one that was pressed, or that the arrow keys came to.
function picture(name, nodes, width, selected, chosen) {
  const { height, letters, places } = placed(nodes, width);
  const middle = { x: width / 2, y: height / 2 };
  const dense = nodes.length > 60;
  const edges = nodes.map((node) => {
    const place = places.get(node.id);
    const relay = node.relay ? places.get(node.relay) : null;
    return node.path === "none" ? null : edge(relay ?? middle, place, node.path, dense);
  });
  const drawn = svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": `${told(nodes)} The arrow keys go from peer to peer.`,
    },
    edges.filter(Boolean),
    nodes.map((node) => dot(node, places.get(node.id), letters, node.id === selected)),
    svg(
      "g",
      { class: "self" },
      svg("circle", { cx: middle.x, cy: middle.y, r: 15 }),
      svg("text", { x: middle.x, y: middle.y + 32, "text-anchor": "middle" }, short(name, 24)),
    ),
  );
  const dots = [...drawn.querySelectorAll(".node")];
  const byId = new Map(nodes.map((each) => [each.id, each]));
  const first = dots.find((each) => each.dataset.key === selected) ?? dots[0];
  first?.setAttribute("tabindex", "0");
  const choose = (target) => {
    dots.forEach((each) => {
      each.setAttribute("tabindex", each === target ? "0" : "-1");
      each.classList.toggle("selected", each === target);
    });
    target.focus({ preventScroll: true });
    chosen(byId.get(target.dataset.key));
  };
  drawn.onclick = (event) => {
    const target = event.target.closest(".node");
    if (target) choose(target);
  };
  drawn.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = dots.indexOf(document.activeElement);
    if (at < 0 || !(step || ["Home", "End", "Enter", " "].includes(event.key))) return;
    event.preventDefault();
    choose(
      event.key === "Home" ? dots[0] : event.key === "End" ? dots.at(-1) : dots[(at + (step ?? 0) + dots.length) % dots.length],
    );
  };
  return drawn;
}

const legend = () =>
  el(
    "ul",
    { class: "legend" },
    Object.entries({ direct: "direct", relayed: "over a relay", none: "not connected" }).map(([path, text]) =>
      el(
        "li",
        {},
        svg(
          "svg",
          { viewBox: "0 0 14 14", class: "dot", "aria-hidden": "true" },
          svg("g", { class: `node ${path}` }, svg("circle", { cx: 7, cy: 7, r: 5 })),
        ),
        text,
      ),
    ),
    el(
      "li",
      {},
      svg(
        "svg",
        { viewBox: "0 0 14 14", class: "dot", "aria-hidden": "true" },
        svg("g", { class: "node direct" }, svg("rect", { x: 2, y: 2, width: 10, height: 10, rx: 2 })),
      ),
      "a relay",
    ),
  );

const row = (node) => [
  link(node.name, `#/peers/${encodeURIComponent(node.name)}`),
  pill(reached(node), KINDS[node.path][0]),
  trip(node.peer),
  node.peer.endpoint ?? "",
  node.peer.standing ?? node.peer.origin,
];

function listed(nodes, all, more) {
  const rows = (all ? nodes : nodes.slice(0, MOST_ROWS)).map(row);
  const shown = table("Peers", ["Name", "Path", "Round trip", "Endpoint", "Standing"], rows, "This node has no peers.");
  return [
    shown,
    !all && nodes.length > MOST_ROWS
      ? el("div", { class: "foot" }, el("span", { class: "soft" }, `${MOST_ROWS} of ${nodes.length}`), more)
      : null,
  ];
}

export async function topology(main, { signal }) {
  const refused = el("div", { role: "alert" });
  const summary = el("p", { class: "soft" });
  const drawing = el("div", { class: "drawing coming" });
  const detail = el("p", { class: "detail", "aria-live": "polite" });
  const list = el("div", { class: "coming" });
  main.append(refused, section("Picture", summary, drawing, detail, legend()), section("The same as a table", list));
  let found = { nodes: [] };
  let name = "";
  let selected = "";
  let all = false;
  const more = el(
    "button",
    {
      type: "button",
      class: "plain",
      "data-key": "more",
      click: () => {
        all = true;
        redraw(list, ...listed(found.nodes, all, more));
      },
    },
    "More",
  );
  const tell = () => {
    const node = found.nodes.find((each) => each.id === selected);
    detail.replaceChildren(
      ...(node
        ? [
            el("strong", {}, node.name),
            `: ${said(node).slice(node.name.length + 2)}. `,
            link("More of this peer", `#/peers/${encodeURIComponent(node.name)}`),
          ]
        : ["Choose a peer to see more of it."]),
    );
  };
  const draw = () => {
    if (!drawing.clientWidth) return;
    const focused = drawing.contains(document.activeElement);
    drawing.replaceChildren(
      picture(name, found.nodes, drawing.clientWidth, selected, (node) => {
        selected = node.id;
        tell();
      }),
    );
    if (focused) drawing.querySelector(".node[tabindex='0']")?.focus({ preventScroll: true });
  };
  const observer = new ResizeObserver(draw);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  let before = "";
  const look = async () => {
    const [status, peers] = await Promise.all([get("/status", signal), everybody(signal)]);
    found = graph(peers, status.relays);
    name = status.name;
    summary.textContent = told(found.nodes);
    const now = JSON.stringify(found.nodes.map((each) => [each.id, each.path, each.relay, each.is_relay]));
    if (now !== before) draw();
    if (!before) observer.observe(drawing);
    before = now;
    tell();
    redraw(list, ...listed(found.nodes, all, more));
  };
  await repeat(signal, EVERY, look, refused);
}
