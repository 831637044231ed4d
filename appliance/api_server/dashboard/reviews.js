// Changes and incidents that people talk about: what would be done, what was said, and deciding.

import { get, post } from "./api.js";
import { el, field, form, say, section, table, time } from "./dom.js";

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function plan(found) {
  const keys = found.changed.map((each) => each.secret ? [each.key, "secret", "secret"] : [each.key, shown(each.before), shown(each.after)]);
  return section("What would be done",
    table("Keys", ["Key", "Before", "After"], keys, "No key changes."),
    el("h3", {}, "Steps on the host"),
    found.steps.length ? el("ul", {}, found.steps.map((each) => el("li", {}, `${each.sign} ${each.summary}`))) : el("p", {}, "None."),
    ...found.warnings.map((each) => el("p", { class: "bad" }, each)));
}

function decide(review, { may }, drawn) {
  const done = async (deed, body) => {
    const answer = await post(`/reviews/${encodeURIComponent(review.id)}/${deed}`, body);
    const now = answer.review ?? answer;
    drawn(now);
    document.querySelector("h1").focus(); // the form is gone
    say(`The review is ${now.state}.`);
  };
  const deciding = review.state === "open" || review.state === "approved";
  const deeds = [];
  if (deciding && may("reviews.write")) deeds.push(["comment", "Comment"]);
  if (review.state === "open" && review.kind === "change" && may("reviews.approve")) deeds.push(["approve", "Approve"]);
  if (deciding && review.kind === "change" && may("reviews.approve")) deeds.push(["reject", "Reject"]);
  if (review.state === "approved" && may("node.change")) deeds.push(["apply", "Apply"]);
  if (deciding && review.kind === "incident" && may("reviews.write")) deeds.push(["resolve", "Resolve"]);
  if (!deeds.length) return null;
  const choices = deeds.map(([deed, text]) => el("option", { value: deed }, text));
  const body = (deed, text) => (deed === "apply" ? {} : deed === "comment" ? { text } : { text, plan: deed === "approve" ? review.plan.name : undefined });
  return section("Decide", form(
    [el("label", {}, "What", el("select", { name: "deed" }, choices)), field("Why", { name: "text", maxlength: "4096" })],
    "Do it",
    (filled) => done(filled.get("deed"), body(filled.get("deed"), filled.get("text"))),
  ));
}

function one(review, page) {
  const all = el("div");
  const draw = (now) => {
    const said = now.messages.map((each) => [each.by || "API server", each.deed, each.text, time(each.at)]);
    all.replaceChildren(
      section(now.title, el("p", {}, `${now.kind} by ${now.author}: `, el("strong", {}, now.state), now.kind === "change" ? `, ${now.approved_by.length} of ${now.needs} approved` : "")),
      ...[now.plan ? plan(now.plan) : null, decide(now, page, draw)].filter(Boolean),
      section("What was said", table("Messages", ["Who", "Deed", "Text", "When"], said, "Nothing.")),
    );
  };
  draw(review);
  return all;
}

export async function reviews(main, page) {
  const [id] = page.path;
  if (id) {
    main.append(el("p", {}, el("a", { href: "#/reviews" }, "All reviews")), one(await get(`/reviews/${encodeURIComponent(decodeURIComponent(id))}`, page.signal), page));
    return;
  }
  const found = await get("/reviews?limit=100", page.signal);
  const rows = found.items.map((each) => [el("a", { href: `#/reviews/${each.id}` }, each.title), each.kind, each.state, each.author, time(each.created)]);
  main.append(section("Reviews", table("Reviews", ["Title", "Kind", "State", "Author", "Opened"], rows, "There is no review.")));
  if (!page.may("reviews.write")) return;
  main.append(section("Ask for a review", el("p", { class: "soft" }, "Of what reloading the profile on disk would change."), form(
    [field("Title", { name: "title", required: true, maxlength: "200" }), field("Why", { name: "text", maxlength: "4096" })],
    "Open",
    async (filled) => {
      const made = await post("/reviews", { title: filled.get("title"), text: filled.get("text") });
      location.hash = `#/reviews/${made.id}`;
    },
  )));
}
