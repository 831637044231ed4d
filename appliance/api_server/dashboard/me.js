// One's own account: names, password, second factor, log-ins and API tokens.

import { get, path, put, remove } from "./api.js";
import { act, el, facts, moment, pill, redraw, say, section, table } from "./dom.js";
import { field, form, password } from "./forms.js";
import { secondFactor } from "./second_factor.js";
import { logOutEverywhere } from "./session.js";
import { ownTokens } from "./tokens.js";

function names(me, changed) {
  return section(
    "Names",
    form(
      [
        field("Display name", { name: "display", maxlength: "100", value: me.display, autocomplete: "name" }),
        field("E-mail", { name: "email", type: "email", maxlength: "254", value: me.email, autocomplete: "email" }),
      ],
      "Change",
      async (filled) => {
        changed(await put("/users/profile", { display: filled.get("display"), email: filled.get("email") }));
        say("It is changed.");
      },
    ),
  );
}

const secretWord = () =>
  section(
    "Password",
    form(
      [
        password("Password now", "old", "current-password"),
        password("New password", "new", "new-password", "12 characters or more. All log-ins end: log in again with it."),
      ],
      "Change",
      async (filled) => {
        await put("/users/profile/password", { old: filled.get("old"), new: filled.get("new") });
        say("The password is changed.");
      },
    ),
  );

function logIns(items, again, refused) {
  const end = (each) =>
    each.current
      ? pill("this one", "good")
      : act(
          "End",
          async () => {
            await remove(path`/users/profile/sessions/${each.id}`);
            await again();
          },
          {
            sure: ["End this log-in?", `${each.client || "Whatever uses it"} has to log in again.`, "End it"],
            place: refused,
            key: each.id,
          },
        );
  return table(
    "Log-ins",
    ["What", "Since", "Last refreshed", "Ends", ""],
    items.map((each) => [
      each.client || "unknown",
      moment(each.created),
      moment(each.refreshed),
      moment(each.expires),
      end(each),
    ]),
  );
}

export async function me(main, page) {
  const { signal, changed } = page;
  const now = await get("/users/profile", signal);
  changed(now);
  const refused = el("div", { role: "alert" });
  const all = el("div", { class: "coming" });
  const look = async () => redraw(all, logIns((await get("/users/profile/sessions", signal)).items, look, refused));
  const everywhere = act("Log out everywhere", logOutEverywhere, {
    sure: ["Log out everywhere?", "All log-ins of yours end, this one too.", "Log out"],
    place: refused,
  });
  const again = () => {
    main.replaceChildren();
    me(main, page);
  };
  main.append(
    section(
      now.name,
      facts([
        ["Roles", now.roles.join(", ") || "none"],
        ["Last log-in", now.last_log_in ? moment(now.last_log_in) : "never"],
        ["You may", now.permissions.join(", ") || "nothing"],
      ]),
    ),
    el("div", { class: "halves" }, el("div", {}, names(now, changed), secondFactor(now, again, signal)), secretWord()),
    section("Where you are logged in", refused, all, el("div", { class: "buttons" }, everywhere)),
  );
  await look();
  await ownTokens(main, { signal, me: now });
}
