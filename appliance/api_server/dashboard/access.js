// Logging in, and becoming a user by a code.

import { el, say, section } from "./dom.js";
import { field, form, password } from "./forms.js";
import { elsewhere, logIn, register } from "./session.js";

const name = () =>
  field("Name", { name: "name", required: true, autocomplete: "username", autocapitalize: "none", spellcheck: "false" });

// `entered(failed)` is called when somebody has come in; `failed`: how many log-ins with his name failed before.
// Name and password, and a code once it turns out that one is needed. `whose`: it is known who comes.
export function logInForm(entered, whose = "") {
  const code = field(
    "Second factor",
    { name: "code", autocomplete: "one-time-code" },
    "A code of your authenticator application, or a recovery code.",
  );
  code.hidden = true;
  return form([whose ? null : name(), password("Password", "password", "current-password"), code], "Log in", async (filled) => {
    let failed;
    try {
      failed = await logIn(whose || filled.get("name"), filled.get("password"), filled.get("code"));
    } catch (error) {
      if (error.code !== "SecondFactorNeeded" || !code.hidden) throw error;
      code.hidden = false;
      code.querySelector("input").focus();
      say("A second factor is needed.");
      return;
    }
    await entered(failed);
  });
}

export function access(main, entered) {
  const coming = form(
    [
      field(
        "Code",
        { name: "code", required: true, autocomplete: "off" },
        "Of your invitation. The first user's: appliance api users.first_code",
      ),
      name(),
      password("Password", "password", "new-password", "12 characters or more."),
    ],
    "Register",
    async (filled) => {
      await register(filled.get("code"), filled.get("name"), filled.get("password"));
      await entered(await logIn(filled.get("name"), filled.get("password"), ""));
    },
  );
  main.append(el("div", { class: "halves" }, section("I have a user", logInForm(entered)), section("I have a code", coming)));
  elsewhere().then(
    (names) => {
      const link = (name) => el("p", {}, el("a", { href: `/login/${encodeURIComponent(name)}` }, `Log in with ${name}`));
      if (names.length) main.append(section("I am known elsewhere", names.map(link)));
    },
    () => {}, // whoever logs in hears of what is wrong
  );
}
