// The frame around a page: the bar on top, and the pages by group.

import { button, el } from "./dom.js";

// Pages beside the dashboard: the description of the API, to try and to read.
const API = [
  ["/docs/", "Try the API"],
  ["/redoc/", "API reference"],
];

const brand = () => el("a", { class: "brand", href: "#/overview" }, "Appliance");

// `header` is the bar, `nav` the list of pages. `groups` are [title, [[name, text]]]; `me` is the user.
export function frame(header, nav, { groups, me, current, out }) {
  const menu = button("Menu", () => open(menu.getAttribute("aria-expanded") !== "true"), "plain menu", {
    "aria-expanded": "false",
    "aria-controls": nav.id,
  });
  const open = (wanted) => {
    menu.setAttribute("aria-expanded", String(wanted));
    nav.classList.toggle("open", wanted);
    if (wanted) nav.querySelector("a")?.focus();
  };
  nav.onkeydown = (event) => {
    if (event.key === "Escape" && nav.classList.contains("open")) {
      open(false);
      menu.focus();
    }
  };
  nav.classList.remove("open");
  nav.hidden = false;
  const own = groups.map(([title, pages]) => [title, pages.map(([name, text]) => [`#/${name}`, text, name === current])]);
  nav.replaceChildren(
    ...[...own, ["For programs", API]].map(([title, pages]) =>
      el(
        "div",
        {},
        el("p", { class: "group" }, title),
        el(
          "ul",
          {},
          pages.map(([href, text, here]) => el("li", {}, el("a", { href, "aria-current": here ? "page" : null }, text))),
        ),
      ),
    ),
  );
  const live = header.querySelector(".live") ?? el("span", { class: "live" });
  header.replaceChildren(
    menu,
    brand(),
    live,
    el(
      "div",
      { class: "who" },
      el("a", { href: "#/me", "aria-current": current === "me" ? "page" : null }, me.display || me.name),
      button("Log out", out, "plain"),
    ),
  );
}

// Nobody is logged in.
export function bare(header, nav) {
  header.replaceChildren(brand());
  nav.replaceChildren();
  nav.hidden = true;
}

// Whether what happens is told as it happens.
export function alive(header, live) {
  const sign = header.querySelector(".live");
  if (!sign) return;
  sign.textContent = live ? "Live" : "Connecting…";
  sign.classList.toggle("on", live);
}
