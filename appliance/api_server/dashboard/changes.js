// The profile on disk: what bringing it into force would change, and doing it.

import { get, post } from "./api.js";
import { act, el, empty, facts, link, redraw, say, section } from "./dom.js";
import { choice, form } from "./forms.js";
import { listen } from "./events.js";
import { planned } from "./plan.js";
import { once } from "./repeat.js";

export const TRIALS = [
  ["60", "unless confirmed within a minute, take it back"],
  ["300", "unless confirmed within 5 minutes, take it back"],
  ["1800", "unless confirmed within 30 minutes, take it back"],
  ["", "for good, without a trial"],
];

const files = (profile) =>
  facts([
    ["In force", profile.in_force.join(", ") || "none"],
    ["The next start reads", profile.next.join(", ") || "none"],
    ["The same files", profile.lasts ? "yes" : "no"],
  ]);

function apply(plan, again) {
  return form(
    [choice("How", "confirm_within", TRIALS, "60", "A trial brings the node back by itself where the change cuts you off.")],
    "Bring it into force",
    async (filled) => {
      const within = filled.get("confirm_within");
      await post("/node/reload", { plan: plan.name, ...(within ? { confirm_within: Number(within) } : {}) });
      say(within ? "The profile is on trial." : "The profile is in force.");
      await again();
    },
  );
}

export async function changes(main, { signal, may }) {
  const refused = el("div", { role: "alert" });
  const about = el("div", { class: "coming" });
  const what = el("div", { class: "coming" });
  const deed = el("div");
  const look = async () => {
    const [plan, profile] = await Promise.all([get("/node/plan", signal), get("/node/profile", signal)]);
    const some = plan.changed.length || plan.changes || plan.steps.length;
    redraw(
      about,
      files(profile),
      ...profile.refused.map((each) => el("p", { class: "warning" }, each)),
      profile.refused.length && may("node.change")
        ? el(
            "div",
            { class: "buttons" },
            act(
              "Take refusals back",
              async () => {
                await post("/node/confirm", { refused: true });
                await look();
              },
              { place: refused },
            ),
          )
        : null,
    );
    if (!some)
      redraw(
        what,
        empty("The profile on disk is in force.", "Change it on the node's host, and what would be done stands here."),
      );
    else redraw(what, ...planned(plan));
    deed.replaceChildren(
      ...(some && may("node.change")
        ? [
            section(
              "Bring it into force",
              apply(plan, look),
              may("reviews.write")
                ? el("p", { class: "soft" }, "Or ask others first: ", link("ask for a review", "#/reviews"), ".")
                : null,
            ),
          ]
        : []),
    );
  };
  const again = once(look, signal, refused);
  main.append(
    refused,
    section("What would be done", what, el("div", { class: "buttons" }, act("Look again", look, { place: refused }))),
    deed,
    section("Files", about),
  );
  listen(
    ["node"],
    (kind) => {
      if (kind === "node.profile" || kind === "stale") again();
    },
    signal,
  );
  await look();
}
