// One user: roles, names, coming in, and another password.

import { get, patch, path, put, remove } from "./api.js";
import { act, el, facts, link, moment, pill, redraw, say, section } from "./dom.js";
import { checks, field, form, password } from "./forms.js";

export const STATES = { active: "good", locked: "warn", disabled: "bad" };
export const roleChoices = (roles) => roles.map((each) => [each.name, each.name, each.permissions.join(", ")]);

function change(user, roles, again) {
  return section(
    "Roles and names",
    form(
      [
        checks("Roles", "roles", roleChoices(roles), user.roles),
        field("Display name", { name: "display", maxlength: "100", value: user.display, autocomplete: "off" }),
        field("E-mail", { name: "email", type: "email", maxlength: "254", value: user.email, autocomplete: "off" }),
      ],
      "Change",
      async (filled) => {
        await patch(path`/users/${user.name}`, {
          roles: filled.getAll("roles"),
          display: filled.get("display"),
          email: filled.get("email"),
        });
        say("It is changed, and counts within five seconds.");
        await again();
      },
    ),
  );
}

function comingIn(user, again) {
  const place = el("div", { role: "alert" });
  const to = (text, state, sure) =>
    act(
      text,
      async () => {
        await patch(path`/users/${user.name}`, { state });
        say(`${user.name} is ${state}.`);
        await again();
      },
      { sure, place, key: state },
    );
  const name = user.name;
  const deeds = [
    user.state === "active"
      ? to("Lock", "locked", [
          `Lock ${name}?`,
          "All log-ins end, and nobody comes in with this name until you unlock it.",
          "Lock",
        ])
      : to("Let in again", "active"),
    user.state === "disabled"
      ? null
      : to("Has left", "disabled", [`Disable ${name}?`, "All log-ins end, and the API tokens are gone for good.", "Disable"]),
    user.second_factor
      ? act(
          "Take the second factor away",
          async () => {
            await remove(path`/users/${name}/second-factor`);
            await again();
          },
          {
            sure: [`Take the second factor of ${name} away?`, "The password alone is enough then.", "Take it away"],
            place,
            key: "factor",
          },
        )
      : null,
    act(
      "Remove",
      async () => {
        await remove(path`/users/${name}`);
        location.hash = "#/users";
      },
      {
        sure: [`Remove ${name}?`, "The user and the API tokens are gone for good.", "Remove"],
        place,
        kind: "danger",
        key: "remove",
      },
    ),
  ];
  return section("Coming in", el("div", { class: "buttons" }, deeds.filter(Boolean)), place);
}

const another = (user) =>
  section(
    "Another password",
    form(
      [password("New password", "password", "new-password", "12 characters or more. All log-ins of the user end.")],
      "Set it",
      async (filled, pressed) => {
        await put(path`/users/${user.name}/password`, { password: filled.get("password") });
        pressed.form.reset();
        say("The password is set.");
      },
    ),
  );

export async function oneUser(main, name, { signal, me }) {
  const all = el("div", { class: "coming" });
  main.append(el("p", { class: "back" }, link("All users", "#/users")), all);
  const { items: roles } = await get("/roles", signal);
  const look = async () => {
    const user = await get(path`/users/${name}`, signal);
    const own = user.id === me.id;
    redraw(
      all,
      el(
        "section",
        {},
        el("h2", {}, user.name, " ", pill(user.state, STATES[user.state] ?? "plain")),
        facts([
          ["Roles", user.roles.join(", ") || "none"],
          ["Display name", user.display || "none"],
          ["E-mail", user.email || "none"],
          ["Second factor", user.second_factor ? "yes" : "no"],
          ["Since", moment(user.created)],
          ["Changed", moment(user.changed)],
        ]),
        own ? el("p", {}, "This is you: see ", link("my account", "#/me"), ".") : null,
      ),
      change(user, roles, look),
      own ? null : comingIn(user, look),
      own ? null : another(user),
    );
  };
  await look();
}
