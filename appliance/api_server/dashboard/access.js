// Logging in, and becoming a user by a code.

import { logIn, register } from "./api.js";
import { el, field, form, section } from "./dom.js";

const name = () => field("Name", { name: "name", required: true, autocomplete: "username", autocapitalize: "none", spellcheck: "false" });

export function access(main, entered) {
  const existing = form(
    [
      name(),
      field("Password", { name: "password", type: "password", required: true, autocomplete: "current-password" }),
      field("Second factor", { name: "code", autocomplete: "one-time-code" }, "Only if you set one up: a code, or a recovery code."),
    ],
    "Log in",
    async (filled) => {
      await logIn(filled.get("name"), filled.get("password"), filled.get("code"));
      await entered();
    },
  );
  const coming = form(
    [
      field("Code", { name: "code", required: true, autocomplete: "off" }, "Of your invitation. The first user's: appliance api users.first_code"),
      name(),
      field("Password", { name: "password", type: "password", required: true, minlength: "12", autocomplete: "new-password" }, "12 characters or more."),
    ],
    "Register",
    async (filled) => {
      await register(filled.get("code"), filled.get("name"), filled.get("password"));
      await logIn(filled.get("name"), filled.get("password"), "");
      await entered();
    },
  );
  main.append(el("div", { class: "halves" }, section("I have a user", existing), section("I have a code", coming)));
}
