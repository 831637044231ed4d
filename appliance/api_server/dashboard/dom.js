// Elements. Text is always text, never markup: names of peers and messages are what strangers say.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

// An element with attributes (functions are listeners) and children.
export const el = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) => filled(document.createElementNS(SVG, name), attributes, children);

let headings = 0;

// A part of a page with its heading.
export function section(title, ...children) {
  const id = `heading-${++headings}`;
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

// A table. The first cell of each row is its heading.
export function table(caption, columns, rows, none = "There is nothing here.") {
  if (!rows.length) return el("p", { class: "soft" }, none);
  const head = el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell, index) => (index ? el("td", {}, cell) : el("th", { scope: "row" }, cell)))));
  // The box scrolls sideways where the table is too wide, so the keyboard has to reach it.
  return el("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

// Draws anew, and keeps the box of a table, so that it keeps focus and place while its figures change.
export function redraw(place, fresh) {
  const box = place.firstElementChild;
  if (box?.className === "table" && fresh.className === "table") box.replaceChildren(...fresh.childNodes);
  else place.replaceChildren(fresh);
}

export const tiles = (figures) => el("dl", { class: "tiles" }, figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

export const field = (label, attributes, about = "") =>
  el("label", {}, label, el("input", attributes), about ? el("small", {}, about) : null);

export const button = (text, click, kind = "") => el("button", { type: "button", class: kind, click }, text);

// A form whose button asks `send` with what was filled in; what is refused stands under it.
export function form(fields, text, send) {
  const refused = el("div", { role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    refused.replaceChildren();
    const pressed = made.querySelector("button");
    pressed.disabled = true;
    try {
      await send(new FormData(made));
    } catch (error) {
      refused.append(problem(error));
    }
    pressed.disabled = false;
  };
  const made = el("form", { submit }, fields, el("div", { class: "buttons" }, el("button", {}, text)), refused);
  return made;
}

// What went wrong, and what to do.
export const problem = (error) =>
  el("section", { class: "problem" }, el("strong", { class: "bad" }, error.message), error.hint ? el("p", {}, error.hint) : null);

// For whoever listens instead of looking.
export function say(text) {
  document.getElementById("said").textContent = text;
}

export const state = (text, good) => el("span", { class: good ? "good" : "bad" }, text);

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(number) {
  let unit = 0;
  for (; number >= 1024 && unit < UNITS.length - 1; unit++) number /= 1024;
  return `${unit && number < 100 ? number.toFixed(1) : Math.round(number)} ${UNITS[unit]}`;
}

export const time = (when) => new Date(typeof when === "number" ? when * 1000 : when).toLocaleString();

// Asks again and again until the page is left. An error stands in `place`, which is the page's own.
export async function repeat(signal, seconds, step, place) {
  while (!signal.aborted) {
    try {
      await step();
      place.replaceChildren();
    } catch (error) {
      if (signal.aborted) return;
      place.replaceChildren(problem(error));
    }
    await new Promise((done) => {
      const timer = setTimeout(done, seconds * 1000);
      signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
    });
  }
}
