// The audit log, the newest first: what was done, by whom, and how it ended.

import { get } from "./api.js";
import { el, empty, fold, moment, pill, section, table } from "./dom.js";
import { field, form } from "./forms.js";
import { time } from "./format.js";
import { listen } from "./events.js";
import { paged } from "./list.js";
import { once } from "./repeat.js";

const OUTCOMES = { done: "good", allowed: "plain", denied: "bad", failed: "bad" };
const AT_ONCE = 500; // the node cuts pages there

const details = (each) => {
  const more = {
    ...(each.reason ? { reason: each.reason } : {}),
    ...(each.times > 1 ? { times: each.times } : {}),
    ...each.more,
    ...(each.told_by ? { "told by": each.told_by.name || each.told_by.kind } : {}),
  };
  return Object.entries(more)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
};

const row = (each) => [
  each.n,
  moment(each.time, time),
  each.who.name || each.who.kind,
  each.what,
  pill(each.outcome, OUTCOMES[each.outcome] ?? "plain"),
  each.target,
  details(each),
];

// Times of the form are the reader's; the log has UTC.
const utc = (text) => (text ? new Date(text).toISOString() : "");

export async function audit(main, { signal }) {
  const refused = el("div", { role: "alert" });
  let asked = {};
  const look = async (before, limit) => {
    const page = await get(
      `/audit?${new URLSearchParams({ order: "newest", limit: Math.min(limit, AT_ONCE), before: before || 0, ...asked })}`,
      signal,
    );
    return { items: page.entries, next: page.before ? String(page.before) : "" };
  };
  const draw = (items) =>
    table(
      "Entries",
      ["Number", "When", "Who", "What", "Outcome", "Target", "Details"],
      items.map(row),
      empty("There is no such entry."),
    );
  const list = paged(look, draw, { size: 50, newest: (each) => each.n });
  const search = form(
    [
      field("Who", { name: "who", autocomplete: "off" }, "The whole name."),
      field("What", { name: "what", autocomplete: "off" }, "An operation or event, or its beginning: user."),
      field("From", { name: "since", type: "datetime-local" }),
      field("To", { name: "until", type: "datetime-local" }),
    ],
    "Search",
    async (filled) => {
      asked = Object.fromEntries(
        [
          ["who", filled.get("who")],
          ["what", filled.get("what")],
          ["since", utc(filled.get("since"))],
          ["until", utc(filled.get("until"))],
        ].filter(([, value]) => value),
      );
      await list.refresh(true);
    },
  );
  search.classList.add("row");
  main.append(
    refused,
    section(
      "Entries",
      fold("Search", search),
      list.element,
      el("p", { class: "soft" }, "Reading does not verify. On the node's host: appliance audit verify."),
    ),
  );
  listen(["audit"], once(list.refresh, signal, refused), signal);
  await list.refresh();
}
