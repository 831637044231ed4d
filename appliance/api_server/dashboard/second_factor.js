// A second factor for one's own log-in: a secret for an authenticator application, proved by a code before it counts.

import { post, put } from "./api.js";
import { el, pill, say, secret, section } from "./dom.js";
import { field, form, password } from "./forms.js";
import { hold } from "./session.js";

// `again()` is called when it was changed: the log-ins end with it. `signal` ends with the page.
export function secondFactor(me, again, signal) {
  const place = el("div");
  const draw = (...fresh) => place.replaceChildren(...fresh);
  const code = () =>
    field(
      "Code",
      { name: "code", required: true, inputmode: "numeric", autocomplete: "one-time-code", maxlength: "6", pattern: "[0-9]{6}" },
      "Six digits that the application shows now.",
    );
  const own = () => password("Password", "password", "current-password", "Yours, once more.");

  const set = () =>
    form([own()], "Set it up", async (filled) => {
      const begun = await post("/users/profile/second-factor", { password: filled.get("password") });
      const shown = secret(
        "Secret",
        begun.secret.match(/.{1,4}/g).join(" "),
        "Type it into your authenticator application. Nobody can show it again.",
      );
      draw(
        shown,
        el("p", {}, el("a", { href: begun.uri }, "On a phone: open it in the application")),
        form([code()], "Confirm", async (typed) => {
          const release = hold(signal);
          const { recovery_codes } = await put("/users/profile/second-factor", { code: typed.get("code") }).catch((error) => {
            release();
            throw error;
          });
          const codes = secret(
            "Recovery codes",
            recovery_codes.join("\n"),
            "Each is good once, instead of a code. Keep them where your phone is not: nobody can show them again.",
          );
          draw(
            codes,
            el(
              "div",
              { class: "buttons" },
              el(
                "button",
                {
                  type: "button",
                  click: () => {
                    release();
                    again();
                  },
                },
                "I have kept them",
              ),
            ),
          );
          codes.focus();
          say("From now on a log-in needs a code.");
        }),
      );
      shown.focus();
    });

  const remove = () =>
    form([own()], "Remove it", async (filled) => {
      await post("/users/profile/second-factor/remove", { password: filled.get("password") });
      say("The second factor is removed.");
      again();
    });

  draw(
    me.second_factor
      ? el("p", {}, pill("on", "good"), ` A log-in needs a code. ${me.recovery_codes} recovery codes are left.`)
      : el("p", {}, pill("off", "warn"), " The password alone is enough to log in as you."),
    me.second_factor ? remove() : set(),
  );
  return section("Second factor", place);
}
