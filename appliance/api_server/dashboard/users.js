// Who may manage this node: users, invitations to become one, and the tokens of their programs.

import { get, patch, path, post, put, remove } from "./api.js";
import { act, el, empty, facts, link, moment, pill, redraw, say, secret, section, table } from "./dom.js";
import { checks, choice, field, form, password } from "./forms.js";
import { duration } from "./format.js";
import { paged } from "./list.js";
import { tokenTable } from "./tokens.js";

const STATES = { active: "good", locked: "warn", disabled: "bad" };
const TIMES = [[3_600, "an hour"], [86_400, "a day"], [7 * 86_400, "a week"], [30 * 86_400, "30 days"]];

const row = (user) => [link(user.name, `#/users/${encodeURIComponent(user.name)}`), pill(user.state, STATES[user.state] ?? "plain"), user.roles.join(", ") || "none", user.second_factor ? "yes" : "no", user.display, moment(user.created)];

const roleChoices = (roles) => roles.map((each) => [each.name, each.name, each.permissions.join(", ")]);

function invite(roles, again) {
  const shown = el("div");
  const asked = form([
    checks("Roles", "roles", roleChoices(roles), ["viewer"]), choice("Good for", "seconds", TIMES, 86_400),
    field("How many may use it", { name: "uses", type: "number", min: "1", max: "1000", value: "1", required: true }), field("For whom", { name: "note", maxlength: "100", autocomplete: "off" }),
  ], "Invite", async (filled) => {
    const made = await post("/user-invitations", { roles: filled.getAll("roles"), seconds: Number(filled.get("seconds")), uses: Number(filled.get("uses")), note: filled.get("note") });
    const code = secret("Code", made.code, `Nobody can show it again. It goes into "I have a code" on this dashboard, within ${duration(Number(filled.get("seconds")))}.`);
    shown.replaceChildren(code);
    code.focus();
    say("The invitation is made.");
    await again();
  });
  return section("Invite somebody", asked, shown);
}

function add(roles, again) {
  const asked = form([
    field("Name", { name: "name", required: true, maxlength: "63", autocomplete: "off", autocapitalize: "none", spellcheck: "false", pattern: "[a-z][a-z0-9._\\-]*" }, "1 to 63 of a-z, 0-9, dot, dash and underscore; a letter first."),
    password("First password", "password", "new-password", "12 characters or more."), checks("Roles", "roles", roleChoices(roles), ["viewer"]),
  ], "Add", async (filled) => {
    await post("/users", { name: filled.get("name"), password: filled.get("password"), roles: filled.getAll("roles") });
    say(`The user ${filled.get("name")} is added.`);
    asked.reset();
    await again();
  });
  return section("Add somebody with a password", asked);
}

function invitationRow(each, again, place) {
  const back = act("Take back", async () => { await remove(path`/user-invitations/${each.number}`); await again(); }, { sure: ["Take this invitation back?", "Nobody can register with its code any more.", "Take it back"], place, key: each.number });
  return [each.note || each.number, pill(each.open ? "open" : "over", each.open ? "good" : "plain"), each.roles.join(", ") || "none", each.uses, moment(each.expires), each.open ? back : ""];
}

function change(user, roles, again) {
  return section("Roles and names", form([
    checks("Roles", "roles", roleChoices(roles), user.roles), field("Display name", { name: "display", maxlength: "100", value: user.display, autocomplete: "off" }), field("E-mail", { name: "email", type: "email", maxlength: "254", value: user.email, autocomplete: "off" }),
  ], "Change", async (filled) => {
    await patch(path`/users/${user.name}`, { roles: filled.getAll("roles"), display: filled.get("display"), email: filled.get("email") });
    say("It is changed, and counts within five seconds.");
    await again();
  }));
}

function way(user, again) {
  const place = el("div", { role: "alert" });
  const to = (text, state, sure) => act(text, async () => { await patch(path`/users/${user.name}`, { state }); say(`${user.name} is ${state}.`); await again(); }, { sure, place, key: state });
  const name = user.name;
  const deeds = [
    user.state === "active" ? to("Lock", "locked", [`Lock ${name}?`, "All log-ins end, and nobody comes in with this name until you unlock it.", "Lock"]) : to("Let in again", "active"),
    user.state === "disabled" ? null : to("Has left", "disabled", [`Disable ${name}?`, "All log-ins end, and the API tokens are gone for good.", "Disable"]),
    user.second_factor ? act("Take the second factor away", async () => { await remove(path`/users/${name}/second-factor`); await again(); }, { sure: [`Take the second factor of ${name} away?`, "The password alone is enough then.", "Take it away"], place, key: "factor" }) : null,
    act("Remove", async () => { await remove(path`/users/${name}`); location.hash = "#/users"; }, { sure: [`Remove ${name}?`, "The user and the API tokens are gone for good.", "Remove"], place, kind: "danger", key: "remove" }),
  ];
  return section("Coming in", el("div", { class: "buttons" }, deeds.filter(Boolean)), place);
}

const another = (user) => section("Another password", form([password("New password", "password", "new-password", "12 characters or more. All log-ins of the user end.")], "Set it", async (filled, pressed) => {
  await put(path`/users/${user.name}/password`, { password: filled.get("password") });
  pressed.form.reset();
  say("The password is set.");
}));

async function one(main, name, { signal, me }) {
  const all = el("div", { class: "coming" });
  main.append(el("p", { class: "back" }, link("All users", "#/users")), all);
  const { items: roles } = await get("/roles", signal);
  const look = async () => {
    const user = await get(path`/users/${name}`, signal);
    const own = user.id === me.id;
    redraw(all,
      el("section", {}, el("h2", {}, user.name, " ", pill(user.state, STATES[user.state] ?? "plain")), facts([["Roles", user.roles.join(", ") || "none"], ["Display name", user.display || "none"], ["E-mail", user.email || "none"], ["Second factor", user.second_factor ? "yes" : "no"], ["Since", moment(user.created)], ["Changed", moment(user.changed)]]), own ? el("p", {}, "This is you: see ", link("my account", "#/me"), ".") : null),
      change(user, roles, look), own ? null : way(user, look), own ? null : another(user));
  };
  await look();
}

export async function users(main, page) {
  const { signal, may } = page;
  if (page.path[0]) return one(main, page.path[0], page);
  const refused = el("div", { role: "alert" });
  const { items: roles } = await get("/roles", signal);
  const pageOf = (where) => (after, limit) => get(`${where}?limit=${limit}&after=${encodeURIComponent(after)}`, signal);
  const people = paged(pageOf("/users"), (items) => table("Users", ["Name", "State", "Roles", "Second factor", "Display name", "Since"], items.map(row), empty("There is no user.")), { one: "user", many: "users" });
  const invited = paged(pageOf("/user-invitations"), (items) => table("Invitations", ["For whom", "State", "Roles", "Uses left", "Good until", ""], items.map((each) => invitationRow(each, invited.refresh, refused)), "There is no invitation."), { one: "invitation", many: "invitations" });
  main.append(refused, section("Users", people.element), section("Invitations", invited.element), el("div", { class: "halves" }, invite(roles, invited.refresh), add(roles, people.refresh)));
  if (may("tokens.manage")) {
    const names = new Map();
    const tokens = paged(pageOf("/all-tokens"), (items) => tokenTable(items, { again: () => tokens.refresh(), place: refused, where: "all-tokens", whose: (each) => names.get(each.user) ?? each.user }), { one: "token", many: "tokens" });
    main.append(section("API tokens of all users", tokens.element));
    for (const user of (await get("/users?limit=1000", signal)).items) names.set(user.id, user.name);
    await tokens.refresh();
  }
  await Promise.all([people.refresh(), invited.refresh()]);
}
