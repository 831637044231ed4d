// Who is here, and which page he looks at.

import { access } from "./access.js";
import { advice } from "./advice.js";
import { dismiss, logInAgain } from "./again.js";
import { get } from "./api.js";
import { audit } from "./audit.js";
import { changes } from "./changes.js";
import { watch } from "./connection.js";
import { button, el, empty, problem, say } from "./dom.js";
import { stream } from "./events.js";
import { plural } from "./format.js";
import { jobs } from "./jobs.js";
import { me as myself } from "./me.js";
import { members } from "./members.js";
import { alive, bare, frame } from "./navigation.js";
import { overview } from "./overview.js";
import { peers } from "./peers.js";
import { reviews } from "./reviews.js";
import { arrive, known, logOut, onExpired, onLeave } from "./session.js";
import { topology } from "./topology.js";
import { traffic } from "./traffic.js";
import { watchTrial } from "./trial.js";
import { users } from "./users.js";

const PAGES = {
  overview: { title: "Overview", group: "Node", needs: "node.read", show: overview },
  topology: { title: "Topology", group: "Node", needs: "node.read", show: topology },
  peers: { title: "Peers", group: "Node", needs: "node.read", show: peers },
  members: { title: "Members", group: "Node", needs: "node.read", show: members },
  traffic: { title: "Traffic", group: "Node", needs: "figures.read", show: traffic },
  advice: { title: "Advice", group: "Node", needs: "node.read", show: advice },
  jobs: { title: "Jobs", group: "Work", needs: "jobs.read", show: jobs },
  changes: { title: "Changes", group: "Work", needs: "node.plan", show: changes },
  reviews: { title: "Reviews", group: "Work", needs: "reviews.read", show: reviews },
  users: { title: "Users", group: "Access", needs: "users.manage", show: users },
  audit: { title: "Audit", group: "Access", needs: "audit.read", show: audit },
};
const ARRIVED = "#log-in="; // where a log-in elsewhere sends the browser
const MYSELF = { title: "My account", show: myself };

const place = (id) => document.getElementById(id);
const [main, header, nav] = ["content", "top", "pages"].map(place);
let me = null;
let shown = new AbortController(); // the page
let here = new AbortController(); // the log-in
let failed = false; // the page could not be shown
let refused = null; // why a log-in elsewhere brought nothing
let warned = 0; // log-ins with this name that failed before

const may = (permission) => me.permissions.includes(permission);
const allowed = () => Object.entries(PAGES).filter(([, page]) => may(page.needs));

function groups() {
  const found = new Map();
  for (const [name, page] of allowed()) found.set(page.group, [...(found.get(page.group) ?? []), [name, page.title]]);
  return [...found];
}

// A heading that has the focus, so that a screen reader says where one is; and the room for the page.
function titled(title) {
  const heading = el("h1", { tabindex: "-1" }, title);
  const room = el("div", { class: "page coming" });
  document.title = `${title} - Appliance`;
  main.replaceChildren(heading, room);
  say("");
  heading.focus();
  return room;
}

function left() {
  here.abort();
  me = null;
  dismiss();
  show();
}

// Whoever comes next begins at the beginning.
function out() {
  history.replaceState(null, "", "#/");
  logOut().catch(() => {});
}

async function enter() {
  me = await get("/users/profile", shown.signal);
  here = new AbortController();
  const { signal } = here;
  stream(signal, (live) => alive(header, live));
  if (may("node.read")) watchTrial(place("trial"), may, signal);
}

async function show() {
  if (location.hash === "#content") {
    main.focus();
    return;
  } // the skip link
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  failed = false;
  if (!known()) {
    me = null;
    dismiss();
    bare(header, nav);
    const room = titled("Log in");
    if (refused) room.append(problem(refused));
    refused = null;
    access(room, (before) => {
      warned = before;
      return show();
    });
    return;
  }
  let room = null;
  try {
    if (!me) await enter();
    if (signal.aborted) return;
    const [, wanted = "", ...rest] = location.hash.split("/");
    const [name, page] =
      wanted === "me" ? ["me", MYSELF] : Object.hasOwn(PAGES, wanted) ? [wanted, PAGES[wanted]] : (allowed()[0] ?? []);
    frame(header, nav, { groups: groups(), me, current: name, out });
    room = titled(page ? page.title : "Nothing to see");
    if (warned)
      room.before(
        el(
          "p",
          { class: "warning" },
          `${plural(warned, "log-in", "log-ins")} with your name failed since the last one that did not. If that was not you, change your password.`,
        ),
      );
    warned = 0;
    if (page && page !== MYSELF && !may(page.needs))
      room.append(empty(`Your roles do not allow this page: it needs ${page.needs}.`, "An admin can give you others."));
    else if (page)
      await page.show(room, {
        signal,
        path: rest.map(decodeURIComponent),
        may,
        me,
        changed: (now) => {
          me = now;
        },
      });
    else room.append(empty("Your roles allow no page of the dashboard.", "An admin can give you others."));
  } catch (error) {
    if (signal.aborted || !known()) return;
    failed = true;
    room ??= titled("Not here now");
    room.classList.add("failed");
    room.append(problem(error), el("div", { class: "buttons" }, button("Try again", show)));
    say(error.message);
  }
}

onLeave(left);
onExpired((error) =>
  me && !me.log_in // who is known elsewhere has no password
    ? logInAgain(me.name, error).catch((refused) => {
        left();
        throw refused;
      })
    : (left(), Promise.reject(error)),
);
watch(place("away"), () => {
  if (failed) show();
});
// Shows nothing of what a code that is gone would leave in the history.
async function begin() {
  if (location.hash.startsWith(ARRIVED)) {
    const code = location.hash.slice(ARRIVED.length);
    history.replaceState(null, "", "#/");
    await arrive(code).catch((error) => {
      refused = error;
    });
  }
  addEventListener("hashchange", show);
  await show();
}

begin();
