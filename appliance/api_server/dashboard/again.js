// Logging in again in the middle of something: the page stays as it is, with what was typed into it.

import { el, button } from "./dom.js";
import { field, form, password } from "./forms.js";
import { logIn } from "./session.js";

let open = null;

// Asks for the password of `me`. Resolves when he is logged in again; throws `error` when he does not want to.
export function logInAgain(me, error) {
  return new Promise((done, failed) => {
    const leave = () => { open = null; dialog.remove(); failed(error); };
    const fields = [password("Password", "password", "current-password")];
    if (me.second_factor) fields.push(field("Second factor", { name: "code", autocomplete: "one-time-code", required: true }, "A code, or a recovery code."));
    const asked = form(fields, "Log in", async (filled) => {
      await logIn(me.name, filled.get("password"), filled.get("code") ?? "");
      open = null;
      dialog.removeEventListener("close", leave);
      dialog.close();
      dialog.remove();
      done();
    });
    asked.querySelector(".buttons").append(button("Leave", () => dialog.close(), "plain"));
    const dialog = el("dialog", { class: "again", "aria-labelledby": "again", close: leave }, el("h2", { id: "again" }, "Your log-in is over"),
      el("p", {}, `Log in again as ${me.name}, and nothing of this page is lost.`), asked);
    document.body.append(dialog);
    dialog.showModal();
    open = dialog;
  });
}

// The page under it is left.
export const dismiss = () => open?.close();
