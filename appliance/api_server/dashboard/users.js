// Who may manage this node: users, invitations to become one, and the tokens of their programs.

import { get, path, post, remove } from "./api.js";
import { act, el, empty, link, moment, pill, say, secret, section, table } from "./dom.js";
import { checks, choice, field, form, password } from "./forms.js";
import { duration } from "./format.js";
import { paged } from "./list.js";
import { tokenTable } from "./tokens.js";
import { STATES, oneUser, roleChoices } from "./user.js";

const TIMES = [
  [3_600, "an hour"],
  [86_400, "a day"],
  [7 * 86_400, "a week"],
  [30 * 86_400, "30 days"],
];

const row = (user) => [
  link(user.name, `#/users/${encodeURIComponent(user.name)}`),
  pill(user.state, STATES[user.state] ?? "plain"),
  user.roles.join(", ") || "none",
  user.second_factor ? "yes" : "no",
  user.display,
  moment(user.created),
];

function invite(roles, again) {
  const shown = el("div");
  const asked = form(
    [
      checks("Roles", "roles", roleChoices(roles), ["viewer"]),
      choice("Good for", "seconds", TIMES, 86_400),
      field("How many may use it", { name: "uses", type: "number", min: "1", max: "1000", value: "1", required: true }),
      field("For whom", { name: "note", maxlength: "100", autocomplete: "off" }),
    ],
    "Invite",
    async (filled) => {
      const made = await post("/user-invitations", {
        roles: filled.getAll("roles"),
        seconds: Number(filled.get("seconds")),
        uses: Number(filled.get("uses")),
        note: filled.get("note"),
      });
      const code = secret(
        "Code",
        made.code,
        `Nobody can show it again. It goes into "I have a code" on this dashboard, within ${duration(Number(filled.get("seconds")))}.`,
      );
      shown.replaceChildren(code);
      code.focus();
      say("The invitation is made.");
      await again();
    },
  );
  return section("Invite somebody", asked, shown);
}

function add(roles, again) {
  const asked = form(
    [
      field(
        "Name",
        {
          name: "name",
          required: true,
          maxlength: "63",
          autocomplete: "off",
          autocapitalize: "none",
          spellcheck: "false",
          pattern: "[a-z][a-z0-9._\\-]*",
        },
        "1 to 63 of a-z, 0-9, dot, dash and underscore; a letter first.",
      ),
      password("First password", "password", "new-password", "12 characters or more."),
      checks("Roles", "roles", roleChoices(roles), ["viewer"]),
    ],
    "Add",
    async (filled) => {
      await post("/users", { name: filled.get("name"), password: filled.get("password"), roles: filled.getAll("roles") });
      say(`The user ${filled.get("name")} is added.`);
      asked.reset();
      await again();
    },
  );
  return section("Add somebody with a password", asked);
}

function invitationRow(each, again, place) {
  const back = act(
    "Take back",
    async () => {
      await remove(path`/user-invitations/${each.number}`);
      await again();
    },
    {
      sure: ["Take this invitation back?", "Nobody can register with its code any more.", "Take it back"],
      place,
      key: each.number,
    },
  );
  return [
    each.note || each.number,
    pill(each.open ? "open" : "over", each.open ? "good" : "plain"),
    each.roles.join(", ") || "none",
    each.uses,
    moment(each.expires),
    each.open ? back : "",
  ];
}

export async function users(main, page) {
  const { signal, may } = page;
  if (page.path[0]) return oneUser(main, page.path[0], page);
  const refused = el("div", { role: "alert" });
  const { items: roles } = await get("/roles", signal);
  const pageOf = (where) => (after, limit) => get(`${where}?limit=${limit}&after=${encodeURIComponent(after)}`, signal);
  const people = paged(
    pageOf("/users"),
    (items) =>
      table(
        "Users",
        ["Name", "State", "Roles", "Second factor", "Display name", "Since"],
        items.map(row),
        empty("There is no user."),
      ),
    { one: "user", many: "users" },
  );
  const invited = paged(
    pageOf("/user-invitations"),
    (items) =>
      table(
        "Invitations",
        ["For whom", "State", "Roles", "Uses left", "Good until", ""],
        items.map((each) => invitationRow(each, invited.refresh, refused)),
        "There is no invitation.",
      ),
    { one: "invitation", many: "invitations" },
  );
  main.append(
    refused,
    section("Users", people.element),
    section("Invitations", invited.element),
    el("div", { class: "halves" }, invite(roles, invited.refresh), add(roles, people.refresh)),
  );
  if (may("tokens.manage")) {
    const names = new Map();
    const tokens = paged(
      pageOf("/all-tokens"),
      (items) =>
        tokenTable(items, {
          again: () => tokens.refresh(),
          place: refused,
          where: "all-tokens",
          whose: (each) => names.get(each.user) ?? each.user,
        }),
      { one: "token", many: "tokens" },
    );
    main.append(section("API tokens of all users", tokens.element));
    for (const user of (await get("/users?limit=1000", signal)).items) names.set(user.id, user.name);
    await tokens.refresh();
  }
  await Promise.all([people.refresh(), invited.refresh()]);
}
