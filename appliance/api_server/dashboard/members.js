// The members of the network, and invitations to it.

import { get, path, post, remove } from "./api.js";
import { act, el, empty, facts, fold, link, moment, pill, redraw, say, secret, section, table } from "./dom.js";
import { choice, field, form, words } from "./forms.js";
import { duration } from "./format.js";
import { listen } from "./events.js";
import { paged } from "./list.js";
import { everybody } from "./peers.js";
import { once } from "./repeat.js";

const STANDINGS = { alive: "good", suspected: "warn", dead: "bad" };
const TIMES = [
  [3_600, "an hour"],
  [86_400, "a day"],
  [7 * 86_400, "a week"],
  [30 * 86_400, "30 days"],
];

const none = () =>
  section(
    "No network",
    empty(
      "This node is in no network of members.",
      "Its peers stand in its profile. Make a network with `appliance network new`, or join one with `appliance join`, on the node's host.",
    ),
  );

const network = (mesh) =>
  section(
    `Network ${mesh.label ?? ""}`,
    facts([
      ["This node's name", mesh.name ?? "none"],
      ["Members", mesh.members],
      ["Its certificate ends", mesh.expires ? moment(mesh.expires) : "none"],
      ["Network", el("code", {}, mesh.network)],
      ...(mesh.problem ? [["Problem", pill(mesh.problem, "bad")]] : []),
      ...(mesh.roster
        ? [["The network is", pill(mesh.roster.partition, mesh.roster.partition === "whole" ? "good" : "warn")]]
        : []),
      ...mesh.set_aside.map((each) => [
        "Set aside",
        `${each.name}: ${each.why}${each.against ? ` (against ${each.against})` : ""}`,
      ]),
      ...mesh.frauds.map((each) => ["Signed what contradicts itself", each]),
    ]),
  );

const row = (peer) => [
  link(peer.name, `#/peers/${encodeURIComponent(peer.name)}`),
  peer.not_taken ? pill("not taken in", "bad") : pill(peer.standing ?? "unknown", STANDINGS[peer.standing] ?? "plain"),
  peer.connected ? peer.path : "not connected",
  peer.neighbour ? "yes" : "no",
  peer.expires ? moment(peer.expires) : "",
  peer.not_taken ?? "",
];

function pages(items) {
  return async (after, limit) => {
    const begins = after ? Number(after) : 0;
    return { items: items().slice(begins, begins + limit), next: begins + limit < items().length ? String(begins + limit) : "" };
  };
}

function invitations(found, may, again, refused) {
  const back = (each) =>
    each.state === "open" && may
      ? act(
          "Take back",
          async () => {
            await remove(path`/invitations/${each.number}`);
            await again();
          },
          {
            sure: ["Take this invitation back?", `Nobody can join as ${each.name} with it any more.`, "Take it back"],
            place: refused,
            key: each.number,
          },
        )
      : "";
  const rows = found.invitations.map((each) => [
    each.name,
    pill(each.state, each.state === "open" ? "good" : "plain"),
    `${each.used_by.length} of ${each.uses}`,
    moment(each.expires),
    each.number,
    back(each),
  ]);
  const denied = Object.entries(found.refused ?? {}).filter(([reason, times]) => times && reason !== "ok");
  return [
    table("Invitations", ["Name", "State", "Used", "Good until", "Number", ""], rows, "There is no invitation."),
    denied.length
      ? el(
          "p",
          { class: "soft" },
          `Refused since the node runs: ${denied.map(([reason, times]) => `${reason} ${times}`).join(", ")}.`,
        )
      : null,
  ];
}

function invite(again) {
  const shown = el("div");
  const asked = form(
    [
      field(
        "Name",
        { name: "name", required: true, maxlength: "63", autocomplete: "off", autocapitalize: "none", spellcheck: "false" },
        "What the member is to be called.",
      ),
      choice("Good for", "ttl", TIMES, 3_600),
      field("How many may use it", { name: "uses", type: "number", min: "1", max: "1000", value: "1", required: true }),
      fold(
        "More",
        field("Tags", { name: "tags", autocomplete: "off" }, "With blanks between them."),
        field("Roles", { name: "roles", autocomplete: "off" }),
        field("Prefixes", { name: "prefixes", autocomplete: "off" }, "That it may carry for others, as 10.20.0.0/16."),
        el(
          "label",
          { class: "check" },
          el("input", { type: "checkbox", name: "exit" }),
          el("span", {}, "It may carry everything (an exit)"),
        ),
      ),
    ],
    "Invite",
    async (filled) => {
      const made = await post("/invitations", {
        name: filled.get("name"),
        ttl: Number(filled.get("ttl")),
        uses: Number(filled.get("uses")),
        tags: words(filled.get("tags")),
        roles: words(filled.get("roles")),
        prefixes: words(filled.get("prefixes")),
        exit: filled.has("exit"),
      });
      asked.reset();
      const code = secret(
        "Invitation",
        made.code,
        `Nobody can show it again. On the new host: appliance join, and then this code. Whoever has it can join, for ${duration(Number(filled.get("ttl")) || 3_600)}.`,
      );
      shown.replaceChildren(code);
      code.focus();
      say("The invitation is made.");
      await again();
    },
  );
  return section("Invite a member", asked, shown);
}

export async function members(main, { signal, may }) {
  const { mesh } = await get("/status", signal);
  if (!mesh) return main.append(none());
  const refused = el("div", { role: "alert" });
  let all = [];
  const list = paged(
    pages(() => all),
    (items) =>
      table(
        "Members",
        ["Name", "Standing", "Path", "Neighbour", "Certificate ends", "Not taken in"],
        items.map(row),
        empty("There is no other member.", "Invite one."),
      ),
    { size: 200, one: "member", many: "members" },
  );
  const open = el("div", { class: "coming" });
  const look = async () => {
    const [peers, invited] = await Promise.all([everybody(signal), get("/invitations", signal)]);
    all = peers.filter((each) => each.standing || each.not_taken || each.origin === "member");
    await list.refresh();
    redraw(open, ...invitations(invited, may("enrolment.invite"), look, refused));
  };
  main.append(
    refused,
    network(mesh),
    section(
      "Members",
      list.element,
      el("p", { class: "soft" }, "A member is removed by who owns the network: appliance network revoke NAME, on that host."),
    ),
    section("Invitations", open),
  );
  if (may("enrolment.invite")) main.append(invite(look));
  listen(["node"], once(look, signal, refused), signal);
  await look();
}
