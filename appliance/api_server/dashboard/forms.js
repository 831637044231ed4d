// Forms and their fields.

import { el, problem } from "./dom.js";

// A field with its label; `about` says what belongs into it.
export const field = (label, attributes, about = "") =>
  el("label", {}, label, el("input", attributes), about ? el("small", {}, about) : null);

// One of several: `choices` are [value, text].
export const choice = (label, name, choices, chosen, about = "") =>
  el(
    "label",
    {},
    label,
    el(
      "select",
      { name },
      choices.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text)),
    ),
    about ? el("small", {}, about) : null,
  );

// Any of several: `choices` are [value, text, about].
export const checks = (legend, name, choices, chosen = []) =>
  el(
    "fieldset",
    {},
    el("legend", {}, legend),
    choices.map(([value, text, about]) =>
      el(
        "label",
        { class: "check" },
        el("input", { type: "checkbox", name, value, checked: chosen.includes(value) }),
        el("span", {}, text, about ? el("small", {}, about) : null),
      ),
    ),
  );

export const password = (label, name, kind, about = "") =>
  field(
    label,
    {
      name,
      type: "password",
      required: true,
      autocomplete: kind,
      ...(kind === "new-password" ? { minlength: "12", maxlength: "128" } : {}),
    },
    about,
  );

// A form whose button asks `send(filled, pressed)` with what was filled in; what is refused stands under it. Further buttons are
// [text, send].
export function form(fields, text, send, ...others) {
  const refused = el("div", { role: "alert" });
  let busy = false;
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    refused.replaceChildren();
    const pressed = event.submitter ?? made.querySelector(".buttons button");
    const deed = others.find(([name]) => name === pressed.textContent)?.[1] ?? send;
    busy = true;
    pressed.ariaBusy = "true";
    try {
      await deed(new FormData(made), pressed);
    } catch (error) {
      if (error.name !== "AbortError") refused.append(problem(error));
    }
    pressed.ariaBusy = "false";
    busy = false;
  };
  const buttons = [el("button", {}, text), ...others.map(([name]) => el("button", { class: "plain" }, name))];
  const made = el("form", { submit }, fields, el("div", { class: "buttons" }, buttons), refused);
  return made;
}

// The words of a field that takes several.
export const words = (text) => (text ?? "").split(/[\s,]+/).filter(Boolean);
