// What a change would do: keys of the profile, and steps on the host.

import { el, fold, table } from "./dom.js";

const SIGNS = { "+": "added", "-": "removed", "~": "changed" };

const shown = (value) =>
  value === null || value === undefined
    ? el("span", { class: "soft" }, "not set")
    : typeof value === "string"
      ? value
      : JSON.stringify(value);

const key = (each) =>
  each.secret
    ? [each.key, "secret", "secret"]
    : [each.key, el("span", { class: "before" }, shown(each.before)), el("span", { class: "after" }, shown(each.after))];

const steps = (found) =>
  found.length
    ? el(
        "ul",
        { class: "steps" },
        found.map((each) =>
          el(
            "li",
            {},
            el("span", { class: "sign", role: "img", "aria-label": SIGNS[each.sign] ?? each.sign }, each.sign),
            " ",
            each.summary,
          ),
        ),
      )
    : el("p", {}, "None.");

// As elements to stand in a section.
export function planned(plan) {
  return [
    ...plan.warnings.map((each) => el("p", { class: "warning" }, each)),
    plan.cuts_off ? el("p", { class: "warning" }, `It would cut off the session of ${plan.cuts_off}.`) : null,
    table("Keys", ["Key", "Before", "After"], plan.changed.map(key), "No key changes."),
    el("h3", {}, "Steps on the host"),
    steps(plan.steps),
    plan.revert?.length ? fold("What rolling back would do", steps(plan.revert)) : null,
  ].filter(Boolean);
}
