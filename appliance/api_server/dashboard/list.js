// A list that comes in pages: what is there so far, how many that are, and "More".

import { button, el, redraw, say } from "./dom.js";
import { plural } from "./format.js";

const MOST = 1000; // the API cuts pages there
const MOST_PAGES = 20; // at a time: a search may find nothing in most of them

// `look(after, limit)` brings { items, next }; `draw(items)` makes an element of all. `refresh()` reads anew what is shown, and
// `refresh(true)` the first page.
export function paged(look, draw, { size = 100, one = "entry", many = "entries", counted = true } = {}) {
  let items = [];
  let next = "";
  let turn = Promise.resolve();
  const box = el("div", { class: "coming" });
  const number = el("span", { class: "soft" });
  const more = button("More", () => turned(async () => { await read(items.length + size, items, next); say(`${plural(items.length, one, many)} are shown.`); }), "plain", { "data-key": "more" });
  const foot = el("div", { class: "foot", hidden: true }, number, more);

  // One after the other: what is asked for at once would mix two lists.
  const turned = (deed) => (turn = turn.catch(() => {}).then(deed));

  async function read(wanted, before = [], after = "") {
    let found = [...before];
    let cursor = after;
    let pages = 0;
    do {
      const page = await look(cursor, Math.min(Math.max(wanted - found.length, size), MOST));
      found = found.concat(page.items);
      cursor = page.next;
      pages++;
    } while (cursor && found.length < wanted && pages < MOST_PAGES);
    [items, next] = [found, cursor];
    redraw(box, draw(items));
    number.textContent = next ? `${plural(items.length, one, many)}, and there are more` : plural(items.length, one, many);
    more.hidden = !next;
    foot.hidden = !next && (!items.length || !counted);
  }

  return { element: el("div", {}, box, foot), refresh: (first = false) => turned(() => read(first === true ? size : Math.max(items.length, size))) };
}
