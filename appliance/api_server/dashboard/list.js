// A list that comes in pages: what is there so far, how many that are, and "More".

import { act, el, redraw, say } from "./dom.js";
import { plural } from "./format.js";

const MOST = 1000; // the API cuts pages there
const MOST_PAGES = 20; // at a time: a search may find nothing in most of them

// `look(after, limit)` brings { items, next }; `draw(items)` makes a table of them. `refresh()` reads anew what is shown, and
// `refresh(true)` the first page. `newest` names an item of a list whose newest comes first: of a long one `refresh()` reads the
// first page only, and the others stay behind it.
export function paged(look, draw, { size = 100, one = "entry", many = "entries", counted = true, newest = null } = {}) {
  let items = [];
  let next = "";
  let turn = Promise.resolve();
  const box = el("div", { class: "coming" });
  const number = el("span", { class: "soft" });
  const more = act("More", () => turned(further), { key: "more" });
  const foot = el("div", { class: "foot", hidden: true }, number, more);

  // One after the other: what is asked for at once would mix two lists.
  const turned = (deed) => (turn = turn.catch(() => {}).then(deed));
  const rows = (some) => [...draw(some).querySelector("tbody").rows];
  const body = () => box.querySelector("tbody");

  // So many items behind a cursor, or fewer at the end.
  async function read(wanted, after) {
    let found = [];
    let cursor = after;
    let pages = 0;
    do {
      const page = await look(cursor, Math.min(Math.max(wanted - found.length, size), MOST));
      found = found.concat(page.items);
      cursor = page.next;
      pages++;
    } while (cursor && found.length < wanted && pages < MOST_PAGES);
    return [found, cursor];
  }

  async function first(wanted) {
    [items, next] = await read(wanted, "");
    redraw(box, draw(items));
    count();
  }

  async function further() {
    const [found, cursor] = await read(size, next);
    if (body() && found.length) body().append(...rows(found));
    [items, next] = [[...items, ...found], cursor];
    if (!body()) redraw(box, draw(items));
    if (!next) box.querySelector(".table")?.focus();
    count();
    say(`${plural(items.length, one, many)} are shown.`);
  }

  async function again() {
    if (!newest || items.length <= size) return first(Math.max(items.length, size));
    const page = await look("", size);
    const known = page.items.length ? items.findIndex((each) => newest(each) === newest(page.items.at(-1))) : -1;
    if (known < 0) return first(size);
    for (let row = 0; row <= known; row++) body().rows[0].remove();
    body().prepend(...rows(page.items));
    items = [...page.items, ...items.slice(known + 1)];
    return count();
  }

  function count() {
    number.textContent = next ? `${plural(items.length, one, many)}, and there are more` : plural(items.length, one, many);
    more.hidden = !next;
    foot.hidden = !next && (!items.length || !counted);
  }

  return { element: el("div", {}, box, foot), refresh: (anew = false) => turned(() => (anew ? first(size) : again())) };
}
