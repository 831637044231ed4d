// Changes and incidents that people talk about: what would be done, what was said, and deciding.

import { get, path, post } from "./api.js";
import { TRIALS } from "./changes.js";
import { el, empty, facts, link, moment, pill, redraw, say, section, table } from "./dom.js";
import { choice, field, form } from "./forms.js";
import { listen } from "./events.js";
import { paged } from "./list.js";
import { planned } from "./plan.js";
import { once } from "./repeat.js";

const STATES = {
  open: "plain",
  approved: "good",
  applying: "warn",
  applied: "good",
  resolved: "good",
  rejected: "bad",
  void: "bad",
  withdrawn: "plain",
};
const DEEDS = {
  comment: "commented",
  approve: "approved it",
  reject: "rejected it",
  withdraw: "withdrew it",
  apply: "had it applied",
  applied: "applied it",
  failed: "could not apply it",
  void: "made it void",
  resolve: "resolved it",
};
const state = (name) => pill(name, STATES[name] ?? "plain");

// What this user may do with a review as it is now: [deed, text].
function deeds(review, { may, me }) {
  const deciding = review.state === "open" || review.state === "approved";
  const change = review.kind === "change";
  const own = review.author_id === me.id;
  return [
    deciding && may("reviews.write") && ["comment", "Comment"],
    review.state === "open" && change && !own && may("reviews.approve") && ["approve", "Approve"],
    deciding && change && !own && may("reviews.approve") && ["reject", "Reject"],
    review.state === "approved" && may("node.change") && ["apply", "Apply"],
    deciding && own && may("reviews.write") && ["withdraw", "Withdraw"],
    deciding && !change && may("reviews.write") && ["resolve", "Resolve"],
  ].filter(Boolean);
}

function body(deed, filled, review) {
  const text = filled.get("text");
  if (deed === "comment") return { text };
  if (deed !== "apply") return { text, plan: deed === "approve" ? review.plan.name : undefined };
  return filled.get("confirm_within") ? { confirm_within: Number(filled.get("confirm_within")) } : {};
}

function decide(review, page, drawn) {
  const choices = deeds(review, page);
  if (!choices.length) return null;
  const trial = choice("How", "confirm_within", TRIALS, "");
  const why = field("Why", { name: "text", maxlength: "4096" });
  const what = choice("What", "deed", choices, choices[0][0]);
  const suits = () => {
    const deed = what.querySelector("select").value;
    trial.hidden = deed !== "apply";
    why.hidden = deed === "apply";
    why.querySelector("input").required = deed === "comment";
  };
  what.addEventListener("change", suits);
  suits();
  return section(
    "Decide",
    form([what, why, trial], "Do it", async (filled) => {
      const deed = filled.get("deed");
      const answer = await post(path`/reviews/${review.id}/${deed}`, body(deed, filled, review));
      const now = answer.review ?? answer;
      why.querySelector("input").value = "";
      drawn(now);
      document.querySelector("h1").focus(); // the form is gone
      say(`The review is ${now.state}.`);
    }),
  );
}

const head = (review) =>
  section(
    review.title,
    el("p", {}, `${review.kind} by ${review.author}: `, state(review.state)),
    facts([
      ["Opened", moment(review.created)],
      ["Good until", review.expires ? moment(review.expires) : "it is over"],
      ...(review.kind === "change"
        ? [
            [
              "Approved",
              `${review.approved_by.length} of ${review.needs}${review.approved_by.length ? `: ${review.approved_by.join(", ")}` : ""}`,
            ],
          ]
        : []),
    ]),
  );

const messages = (review) =>
  review.messages.length
    ? el(
        "ol",
        { class: "talk" },
        review.messages.map((each) =>
          el(
            "li",
            {},
            el(
              "p",
              { class: "soft" },
              el("strong", {}, each.by || "API server"),
              ` ${DEEDS[each.deed] ?? each.deed}, `,
              moment(each.at),
            ),
            each.text ? el("p", {}, each.text) : null,
          ),
        ),
      )
    : empty("Nothing was said.");

async function one(main, id, page) {
  const refused = el("div", { role: "alert" });
  const [top, plan, deciding, said] = [el("div"), el("div"), el("div"), el("div")];
  main.append(
    el("p", { class: "back" }, link("All reviews", "#/reviews")),
    refused,
    top,
    plan,
    deciding,
    section("What was said", said),
  );
  let before = "";
  const draw = (now) => {
    redraw(top, head(now));
    redraw(said, messages(now));
    const decided = JSON.stringify([now.state, now.plan?.name, deeds(now, page)]);
    if (decided === before) return; // what somebody is typing stays
    before = decided;
    plan.replaceChildren(...(now.plan ? [section("What would be done", ...planned(now.plan))] : []));
    deciding.replaceChildren(...[decide(now, page, draw)].filter(Boolean));
  };
  const look = async () => draw(await get(path`/reviews/${id}`, page.signal));
  const again = once(look, page.signal, refused);
  listen(
    ["reviews"],
    (kind, event) => {
      if (kind === "stale" || event.review === id) again();
    },
    page.signal,
  );
  await look();
}

const row = (each) => [link(each.title, `#/reviews/${each.id}`), each.kind, state(each.state), each.author, moment(each.created)];

function ask() {
  return section(
    "Ask for a review",
    el("p", { class: "soft" }, "A change is what reloading the profile on disk would do. An incident is a conversation."),
    form(
      [
        choice(
          "About",
          "kind",
          [
            ["change", "a change"],
            ["incident", "an incident"],
          ],
          "change",
        ),
        field("Title", { name: "title", required: true, maxlength: "200" }),
        field("Why", { name: "text", maxlength: "4096" }),
        field(
          "How many have to approve",
          { name: "approvals", type: "number", min: "1", max: "5", value: "1", required: true },
          "Of a change. Nobody approves his own.",
        ),
      ],
      "Open",
      async (filled) => {
        const made = await post("/reviews", {
          kind: filled.get("kind"),
          title: filled.get("title"),
          text: filled.get("text"),
          approvals: Number(filled.get("approvals")),
        });
        location.hash = `#/reviews/${made.id}`;
      },
    ),
  );
}

export async function reviews(main, page) {
  const [id] = page.path;
  if (id) return one(main, id, page);
  const refused = el("div", { role: "alert" });
  const look = (after, limit) => get(`/reviews?limit=${Math.min(limit, 200)}&after=${encodeURIComponent(after)}`, page.signal);
  const draw = (items) =>
    table(
      "Reviews",
      ["Title", "Kind", "State", "Author", "Opened"],
      items.map(row),
      empty("There is no review.", "Others can look at a change before it happens."),
    );
  const list = paged(look, draw, { size: 50, one: "review", many: "reviews", newest: (each) => each.id });
  main.append(refused, section("Reviews", list.element));
  if (page.may("reviews.write")) main.append(ask());
  listen(["reviews"], once(list.refresh, page.signal, refused), page.signal);
  await list.refresh();
}
