// API tokens: what programs come in with.

import { get, path, post, remove } from "./api.js";
import { act, el, empty, moment, say, secret, section, table } from "./dom.js";
import { checks, choice, field, form } from "./forms.js";
import { duration } from "./format.js";
import { paged } from "./list.js";

const TIMES = [
  [7 * 86_400, "a week"],
  [30 * 86_400, "30 days"],
  [90 * 86_400, "90 days"],
  [366 * 86_400, "a year"],
];

// `where` is the path of the list; `whose(token)` names the owner where they are of several.
export function tokenTable(items, { again, place, where, whose = null }) {
  const end = (each) =>
    act(
      "Revoke",
      async () => {
        await remove(`/${where}${path`/${each.accessor}`}`);
        await again();
      },
      { sure: ["Revoke this token?", `Whatever uses ${each.name} is refused from now on.`, "Revoke"], place, key: each.accessor },
    );
  const columns = ["Name", ...(whose ? ["Owner"] : []), "Scopes", "Made", "Good until", "Last used", "Accessor", ""];
  const row = (each) => [
    each.name,
    ...(whose ? [whose(each)] : []),
    each.scopes.join(", "),
    moment(each.created),
    moment(each.expires),
    each.last_used ? moment(each.last_used) : "never",
    el("code", {}, each.accessor),
    end(each),
  ];
  return table("API tokens", columns, items.map(row), empty("There is no API token.", "Programs need one to come in."));
}

// One's own, and making one.
export async function ownTokens(main, { signal, me }) {
  const refused = el("div", { role: "alert" });
  const shown = el("div");
  const look = (after, limit) => get(`/tokens?limit=${limit}&after=${encodeURIComponent(after)}`, signal);
  const list = paged(look, (items) => tokenTable(items, { again: () => list.refresh(), place: refused, where: "tokens" }), {
    one: "token",
    many: "tokens",
    counted: false,
  });
  const { permissions: about } = await get("/roles", signal);
  const scopes = [
    ...me.permissions.map((each) => [each, each, about[each] ?? ""]),
    ["self", "self", "change your own account and tokens: leave that out"],
  ];
  const made = form(
    [
      field("What it is for", { name: "name", required: true, maxlength: "100", autocomplete: "off" }),
      choice("Good for", "seconds", TIMES, 90 * 86_400),
      checks("What it may do", "scopes", scopes, me.permissions.includes("node.read") ? ["node.read"] : []),
    ],
    "Make a token",
    async (filled) => {
      const token = await post("/tokens", {
        name: filled.get("name"),
        scopes: filled.getAll("scopes"),
        seconds: Number(filled.get("seconds")),
      });
      const text = secret(
        "Token",
        token.token,
        `Nobody can show it again. Programs send it in the header Authorization: Bearer …, for ${duration(Number(filled.get("seconds")))}.`,
      );
      shown.replaceChildren(
        text,
        el(
          "p",
          { class: "soft" },
          "As an OAuth 2 client: id ",
          el("code", {}, token.accessor),
          ", secret ",
          el("code", {}, token.client_secret),
        ),
      );
      text.focus();
      say("The token is made.");
      made.reset();
      await list.refresh();
    },
  );
  main.append(section("API tokens", refused, list.element), section("Make an API token", made, shown));
  await list.refresh();
}
