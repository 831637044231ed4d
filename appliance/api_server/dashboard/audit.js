// The newest entries of the audit log.

import { get } from "./api.js";
import { button, el, section, table, time } from "./dom.js";

const row = (each) => [each.n, time(each.time), each.what, each.outcome, each.who.name || each.who.kind, each.target, each.reason];

export async function audit(main, { signal }) {
  const all = el("div");
  const look = async (before) => {
    const page = await get(`/audit?order=newest&limit=50&before=${before}`, signal);
    all.replaceChildren(
      table("Entries", ["Number", "When", "What", "Outcome", "Who", "Target", "Reason"], page.entries.map(row)),
      page.before ? button("Older", () => look(page.before), "plain") : "",
      before ? button("Newest", () => look(0), "plain") : "",
    );
  };
  main.append(section("Newest entries", all));
  await look(0);
}
