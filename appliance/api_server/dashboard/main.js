// Who is here, and which page he looks at.

import { get, known, logOut, onLeave } from "./api.js";
import { el, button, problem, say } from "./dom.js";
import { access } from "./access.js";
import { overview } from "./overview.js";
import { peers } from "./peers.js";
import { jobs } from "./jobs.js";
import { reviews } from "./reviews.js";
import { audit } from "./audit.js";

const PAGES = {
  overview: { title: "Overview", needs: "node.read", show: overview },
  peers: { title: "Peers", needs: "node.read", show: peers },
  jobs: { title: "Jobs", needs: "jobs.read", show: jobs },
  reviews: { title: "Reviews", needs: "reviews.read", show: reviews },
  audit: { title: "Audit", needs: "audit.read", show: audit },
};

const main = document.getElementById("content");
const header = document.getElementById("top");
let me = null;
let shown = new AbortController();

// Pages that this user may see.
const allowed = () => Object.entries(PAGES).filter(([, page]) => me.permissions.includes(page.needs));

function drawHeader(current) {
  const links = allowed().map(([name, page]) => el("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, page.title));
  header.replaceChildren(
    el("nav", { "aria-label": "Pages" }, links),
    el("div", {}, el("span", { class: "who" }, me.name), button("Log out", () => logOut().catch(() => {}), "plain")),
  );
}

// A heading that has the focus, so that a screen reader says where one is.
function titled(title) {
  const heading = el("h1", { tabindex: "-1" }, title);
  document.title = `${title} - Appliance`;
  main.replaceChildren(heading);
  heading.focus();
}

async function show() {
  if (location.hash === "#content") { main.focus(); return; } // the skip link
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  if (!known()) {
    me = null;
    header.replaceChildren();
    titled("Log in");
    access(main, show);
    return;
  }
  try {
    me ??= await get("/users/profile");
    if (signal.aborted) return;
    const [, wanted = "", ...rest] = location.hash.split("/");
    const [name, page] = allowed().find(([each]) => each === wanted) ?? allowed()[0] ?? [];
    drawHeader(name);
    titled(page ? page.title : "Nothing to see");
    if (page) await page.show(main, { signal, path: rest, may: (permission) => me.permissions.includes(permission) });
    else main.append(el("p", {}, "Your roles allow no page of the dashboard. An admin can give you others."));
  } catch (error) {
    if (signal.aborted || !known()) return;
    if (!me) titled("Not here now");
    main.append(problem(error));
    say(error.message);
    if (!me) main.append(button("Try again", show));
  }
}

onLeave(() => { me = null; show(); });
addEventListener("hashchange", show);
show();
