// Logging in again in the middle of something: the page stays as it is, with what was typed into it.

import { logInForm } from "./access.js";
import { button, el } from "./dom.js";

let open = null;

// Asks for the password of `name`. Resolves when he is logged in again; throws `error` when he does not want to.
export function logInAgain(name, error) {
  return new Promise((done, failed) => {
    const leave = () => {
      open = null;
      dialog.remove();
      failed(error);
    };
    const asked = logInForm(() => {
      open = null;
      dialog.removeEventListener("close", leave);
      dialog.close();
      dialog.remove();
      done();
    }, name);
    asked.querySelector(".buttons").append(button("Leave", () => dialog.close(), "plain"));
    const dialog = el(
      "dialog",
      { class: "again", "aria-labelledby": "again", close: leave },
      el("h2", { id: "again" }, "Your log-in is over"),
      el("p", {}, `Log in again as ${name}, and nothing of this page is lost.`),
      asked,
    );
    document.body.append(dialog);
    dialog.showModal();
    open = dialog;
  });
}

// The page under it is left.
export const dismiss = () => open?.close();
