// Elements. Text is always text, never markup: names of peers and messages are what strangers say.

import { minute, rfc3339, time } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children
      .flat(2)
      .filter((child) => child !== null && child !== undefined && child !== false)
      .map((child) => (child instanceof Node ? child : String(child))),
  );
  return element;
}

// An element with attributes (functions are listeners) and children.
export const el = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) => filled(document.createElementNS(SVG, name), attributes, children);

let numbers = 0;
const unique = (word) => `${word}-${++numbers}`;

// A part of a page with its heading.
export function section(title, ...children) {
  const id = unique("heading");
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

// What stands where there is nothing yet.
export const empty = (text, hint = "") =>
  el("div", { class: "empty" }, el("p", {}, text), hint ? el("p", { class: "soft" }, hint) : null);

// A table. The first cell of each row is its heading. Rows that are longer than the heading are no mistake of the reader's.
export function table(caption, columns, rows, none = "There is nothing here.") {
  if (!rows.length) return typeof none === "string" ? empty(none) : none;
  const head = el(
    "tr",
    {},
    columns.map((column) => el("th", { scope: "col" }, column || el("span", { class: "unseen" }, "Action"))),
  );
  const body = rows.map((cells) =>
    el(
      "tr",
      {},
      cells.map((cell, index) => el(index ? "td" : "th", index ? {} : { scope: "row" }, cell ?? "")),
    ),
  );
  // The box scrolls sideways where the table is too wide, so the keyboard has to reach it.
  return el(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("thead", {}, head), el("tbody", {}, body)),
  );
}

// Draws anew, and keeps the focus and the place that a table was scrolled to. While somebody marks text in it, it stays as it is.
export function redraw(place, ...fresh) {
  const marked = getSelection();
  if (place.hasChildNodes() && !marked.isCollapsed && place.contains(marked.anchorNode)) return;
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const known =
    focused && (focused.getAttribute("href") ?? focused.dataset.key ?? (focused.className === "table" ? "table" : null));
  const scrolled = place.querySelector(".table")?.scrollLeft ?? 0;
  place.replaceChildren(...fresh.filter(Boolean));
  const box = place.querySelector(".table");
  if (box) box.scrollLeft = scrolled;
  if (!focused) return;
  const found =
    known === "table"
      ? box
      : [...place.querySelectorAll("a, button, [data-key]")].find(
          (each) => (each.getAttribute("href") ?? each.dataset.key) === known,
        );
  found?.focus({ preventScroll: true });
}

export const tiles = (figures) =>
  el(
    "dl",
    { class: "tiles" },
    figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
export const facts = (pairs) =>
  el(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value ?? ""))),
  );

export const button = (text, click, kind = "", more = {}) => el("button", { type: "button", class: kind, click, ...more }, text);
export const link = (text, href) => el("a", { href }, text);
// A moment, to the minute; the whole of it when somebody asks.
export const moment = (when, text = minute) => el("time", { datetime: rfc3339(when), title: time(when) }, text(when));
// A word about a state: good, warn, bad or plain. The word says it too, not its colour alone.
export const pill = (text, kind = "plain") => el("span", { class: `pill ${kind}` }, text);

// What opens when somebody wants it.
export const fold = (summary, ...children) => el("details", { class: "fold" }, el("summary", {}, summary), ...children);

// What went wrong, and what to do.
export const problem = (error) =>
  el("div", { class: "problem" }, el("strong", { class: "bad" }, error.message), error.hint ? el("p", {}, error.hint) : null);

// For whoever listens instead of looking.
export function say(text) {
  document.getElementById("said").textContent = text;
}

// Asks before what cannot be taken back. Resolves to whether it is wanted.
function ask(title, text, verb) {
  return new Promise((done) => {
    const id = unique("ask");
    const dialog = el(
      "dialog",
      {
        "aria-labelledby": id,
        close: () => {
          dialog.remove();
          done(dialog.returnValue === "yes");
        },
      },
      el(
        "form",
        { method: "dialog" },
        el("h2", { id }, title),
        el("p", {}, text),
        el(
          "div",
          { class: "buttons" },
          el("button", { value: "yes", class: "danger" }, verb),
          el("button", { value: "no", class: "plain", autofocus: true }, "Leave it"),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

// A button that does something to a row: it asks first if `sure` says what about, and what is refused stands in `place`.
export function act(text, deed, { sure = null, place = null, kind = "plain", key = null } = {}) {
  const pressed = async (event) => {
    const target = event.currentTarget;
    if (target.ariaBusy === "true" || (sure && !(await ask(...sure)))) return;
    target.ariaBusy = "true";
    try {
      place?.replaceChildren();
      await deed();
    } catch (error) {
      if (error.name !== "AbortError") (place ?? target.parentElement).append(problem(error));
      say(error.message);
    }
    target.ariaBusy = "false";
  };
  return button(text, pressed, kind, key ? { "data-key": key } : {});
}

// Something that is shown this one time.
export function secret(title, value, about) {
  const copied = async () => {
    await navigator.clipboard.writeText(value);
    say("Copied.");
  };
  const shown = el(
    "div",
    { class: "secret", role: "group", "aria-label": title, tabindex: "-1" },
    el("strong", {}, title),
    el("p", {}, about),
    el("code", {}, value),
    navigator.clipboard
      ? el(
          "div",
          { class: "buttons" },
          button("Copy", () => copied().catch(() => say("The browser does not allow it: select the text.")), "plain"),
        )
      : null,
  );
  return shown;
}
