"""The dashboard in Chromium, on a real node: what an admin sees and does, and what befalls the browser meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from base64 import b32decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from rigs.certified import network

from appliance.runtime.members.network_folder import NetworkFolder
from tests.netns.browser import Browser, screenshot
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: packaging/setup.sh"),
]

PASSWORD = "correct horse battery"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PAGES = {
    "overview": "host-1",
    "topology": "1 peer: 1 not connected.",
    "peers": "other",
    "members": "This node is in no network of members.",
    "traffic": "Memory",
    "advice": "appliance doctor",
    "jobs": "health-check",
    "changes": "The profile on disk is in force.",
    "reviews": "Ask for a review",
    "users": "alice",
    "audit": "node.started",
    "me": "API tokens",
}
"""Each page, and what is on it once its data are there."""
VIEWED = ("overview", "topology", "peers", "members", "traffic", "advice", "jobs", "reviews")
"""Those that a viewer may see."""

CONTRAST = """(() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      if (element instanceof SVGElement) continue;
      const [r, g, b, a = 1] = parts(getComputedStyle(element).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("noscript, script, title") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const both = [luminance(parts(colour)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (both[0] + 0.05) / (both[1] + 0.05);
    if (ratio < 4.5) poor.push([element.textContent.slice(0, 40), ratio]);
  }
  return poor;
})()"""
"""Texts whose contrast is less than 4.5 (WCAG 2.2, 1.4.3)."""
NAMELESS = """[...document.querySelectorAll("input, select, button, a, svg [role=button]")].filter(
  (each) => !(each.labels?.[0]?.textContent || each.ariaLabel || each.textContent).trim()
).length + document.querySelectorAll("th:not([scope])").length"""


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up")
        host, other = Host(namespace, folder, 1), Host(namespace, folder, 2)
        host.write(other, more="management: {}")
        host.start()
        try:
            host.hear("the API server is ready")
            yield host
        finally:
            host.stop()


def filled(browser: Browser, form: int, **values: str) -> None:
    """Fill one of the page's forms in and send it; -1 is that of a dialog."""
    browser.run(f"""(() => {{
      const form = [...document.querySelectorAll("main form, dialog form")].at({form});
      for (const [name, value] of Object.entries({json.dumps(values)})) {{
        form.elements[name].value = value;
        form.elements[name].dispatchEvent(new Event("change", {{ bubbles: true }}));
      }}
      form.requestSubmit();
    }})()""")


def registered(node: Host, browser: Browser) -> None:
    """Open the dashboard, and become the first user."""
    code = json.loads(node.command("api", "users.first_code", "--json").stdout)["code"]
    browser.call("Page.navigate", url="http://127.0.0.1:8470/")
    browser.wait("document.querySelectorAll('main form').length === 2")
    filled(browser, 1, code=code, name="alice", password=PASSWORD)
    browser.wait(has("host-1"))


def asked(browser: Browser, verb: str, *more: object) -> Any:
    """Ask the API as whoever is logged in."""
    words = ", ".join(json.dumps(each) for each in more)
    return browser.run(f"import('/dashboard/api.js').then((api) => api.{verb}({words}))")


def shown_once(browser: Browser) -> str:
    """The secret that is shown on the page."""
    browser.wait("document.querySelector('.secret code') !== null")
    text: str = browser.run("document.querySelector('.secret code').textContent")
    return text


def pressed(browser: Browser, text: str) -> None:
    """Press a button, and say yes if it asks."""
    browser.run(f"[...document.querySelectorAll('button')].find((each) => each.textContent === {json.dumps(text)}).click()")
    browser.run("document.querySelector('dialog [value=yes]')?.click()")


def logged_out(browser: Browser) -> None:
    browser.run("document.querySelector('.who button').click()")
    browser.wait("document.title.startsWith('Log in')")
    assert browser.run("sessionStorage.length") == 0


def at(browser: Browser, page: str, text: str) -> None:
    """Go to a page, and wait until that text is on it."""
    browser.run(f"location.hash = '#/{page}'")
    browser.wait(f"document.querySelector('[aria-current=page]')?.hash === '#/{page}' && {has(text)}")


def has(text: str) -> str:
    return f"document.querySelector('main')?.innerText.includes({json.dumps(text)})"


def looks_right(browser: Browser, name: str) -> None:
    """At both widths nothing sticks out, in both schemes everything can be read, and everything has its name."""
    for width, scheme in ((1280, "light"), (360, "dark")):
        browser.resize(width, scheme=scheme)
        assert browser.run("document.documentElement.scrollWidth") <= width, (name, width)
        assert browser.run(CONTRAST) == [], (name, scheme)
        if folder := os.environ.get("SCREENSHOTS"):
            screenshot(browser, Path(folder, f"{name}-{width}.png"))
    assert browser.run(NAMELESS) == 0, name


def test_a_first_user_looks_at_everything_and_others_at_what_they_may(node: Host) -> None:
    code = json.loads(node.command("api", "users.first_code", "--json").stdout)["code"]
    with Browser(node.entering) as browser:
        browser.call("Page.navigate", url="http://127.0.0.1:8470/")
        browser.wait("document.querySelectorAll('main form').length === 2")
        assert browser.run("location.pathname") == "/dashboard/"
        looks_right(browser, "login")
        filled(browser, 1, code="wrong", name="alice", password=PASSWORD)
        browser.wait("document.querySelector('.problem')?.innerText.length > 20")
        browser.complaints.clear()  # the browser tells each refusal
        filled(browser, 1, code=code, name="alice", password=PASSWORD)
        for page, text in PAGES.items():
            at(browser, page, text)
            assert browser.run("document.activeElement.tagName") == "H1"
            looks_right(browser, page)

        browser.run("location.hash = '#/jobs/template/health-check'")
        browser.wait("document.querySelectorAll('main form').length === 1")
        filled(browser, 0, patience="60")
        browser.wait(f"{has('health (health): done')} && {has('by alice: succeeded')}")
        looks_right(browser, "job")

        node.profile.write_text(node.profile.read_text().replace("mtu: 1400", "mtu: 1300"))
        browser.run("location.hash = '#/reviews'")
        browser.wait("document.querySelectorAll('main form').length === 1")
        filled(browser, 0, title=HOSTILE, text=HOSTILE)
        browser.wait(f"{has('network.mtu')} && {has(HOSTILE)}")
        looks_right(browser, "review")
        filled(browser, 0, deed="comment", text="why not?")
        browser.wait(has("why not?"))
        assert browser.run("document.activeElement.tagName") == "H1"
        deeds = "[...document.querySelectorAll('[name=deed] option')].map((each) => each.value)"
        assert browser.run(deeds) == ["comment", "withdraw"], "nobody approves his own"

        peers = [{"name": name, "connected": True, "path": "direct", "origin": "member"} for name in (HOSTILE, "b" * 63)]
        peer = json.dumps({"items": peers, "next": ""})
        browser.run(f"""window.asked = fetch; window.fetch = (path, more) =>
          path.includes("/peers") ? Promise.resolve(Response.json({peer})) : asked(path, more)""")
        browser.run("location.hash = '#/peers'")
        browser.wait(has(HOSTILE))
        at(browser, "topology", "2 peers")
        looks_right(browser, "topology-hostile")
        key = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))"
        browser.run("document.querySelector('svg .node[tabindex=\\'0\\']').focus()")
        for name in ("b" * 63, HOSTILE):
            browser.run(key)
            assert name in browser.run("document.querySelector('.detail').innerText")
        assert browser.run("document.querySelectorAll('main img, main script').length") == 0
        at(browser, "traffic", "Memory")
        browser.wait("document.querySelector('.drawing svg') !== null")
        browser.run("document.querySelector('.drawing').focus()")
        browser.run(key)
        assert browser.run("document.querySelector('.chart output').textContent")
        assert browser.complaints == []
        browser.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))")
        assert browser.run("window.ran") is None
        while not browser.complaints:  # it is told as soon as the browser is asked something
            browser.run("0")
        assert "Content Security Policy" in browser.complaints.pop()

        for name, role in (("bob", "operator"), ("carol", "viewer")):
            user = json.dumps({"name": name, "password": PASSWORD, "roles": [role]})
            browser.run(f"import('/dashboard/api.js').then((api) => api.post('/users', {user})).then(() => true)")
        browser.run("window.before = true")
        browser.call("Page.reload")  # the log-in outlives it
        browser.wait(f"window.before === undefined && {has('Memory')}")
        browser.resize(360)
        shown = "getComputedStyle(document.querySelector('nav')).display"
        assert browser.run(shown) == "none"
        pressed(browser, "Menu")
        assert browser.run(shown) == "block"
        assert browser.run("document.activeElement.hash") == "#/overview"
        assert browser.run("document.documentElement.scrollWidth") <= 360
        browser.resize(1280)
        logged_out(browser)

        filled(browser, 0, name="bob", password=PASSWORD)
        browser.wait("document.querySelectorAll('nav a').length > 0")
        browser.run("location.hash = '#/reviews'")
        browser.wait(has(HOSTILE))
        browser.run("document.querySelector('main tbody a').click()")
        for deed, state in (("approve", "approved"), ("apply", "applied")):
            browser.wait(f"[...document.querySelectorAll('main option')].some((each) => each.value === '{deed}')")
            filled(browser, 0, deed=deed, text="")
            browser.wait(has(f"change by alice: {state}"))
        assert node.status()["interface"]["mtu"] == 1300
        logged_out(browser)

        filled(browser, 0, name="carol", password=PASSWORD)
        browser.wait("document.querySelectorAll('nav a').length > 0")
        links = browser.run("[...document.querySelectorAll('nav a')].map((each) => each.getAttribute('href'))")
        assert links == [*(f"#/{page}" for page in VIEWED), "/docs/", "/redoc/"]
        for link in links[-2:]:
            assert browser.run(f"fetch('{link}').then((answer) => answer.status)") == 200
        for page in VIEWED:
            at(browser, page, "alice" if page == "reviews" else PAGES[page])
            assert browser.run("document.querySelectorAll('main form, main button:not([hidden])').length") == 0
        browser.run("location.hash = '#/users'")
        browser.wait(has("it needs users.manage"))
        assert browser.complaints == []


def test_an_admin_sets_a_second_factor_up_and_lets_a_program_and_somebody_in(node: Host) -> None:
    with Browser(node.entering) as browser:
        registered(node, browser)
        at(browser, "me", "Make an API token")
        filled(browser, 1, password=PASSWORD)
        secret = shown_once(browser).replace(" ", "")
        code = TOTP(b32decode(secret), 6, SHA1(), 30).generate(time.time()).decode()
        filled(browser, 1, code=code)
        browser.wait("document.querySelector('.secret code')?.textContent.includes('\\n')")
        recovery = shown_once(browser).split("\n")[0]
        looks_right(browser, "me-codes")
        browser.wait("document.querySelector('dialog') === null")
        pressed(browser, "I have kept them")
        browser.wait("document.querySelector('dialog.again form') !== null")  # the log-ins ended with it
        looks_right(browser, "again")
        filled(browser, -1, password=PASSWORD)
        browser.wait("document.querySelector('dialog label:has([name=code])').hidden === false")  # it asks for it only now
        filled(browser, -1, code=recovery)
        browser.wait(f"{has('9 recovery codes are left')} && {has('Make an API token')}")
        browser.complaints.clear()  # the browser tells that a token was refused

        filled(browser, 3, name="backup")
        token = shown_once(browser)
        ask = f"fetch('/api/v1/status', {{headers: {{authorization: 'Bearer {token}'}}}}).then((answer) => answer.status)"
        assert browser.run(ask) == 200
        looks_right(browser, "me-token")
        pressed(browser, "Revoke")
        browser.wait(has("There is no API token."))
        assert browser.run(ask) == 401

        at(browser, "users", "Invite somebody")
        filled(browser, 0, note="for Dave")
        code = shown_once(browser)
        looks_right(browser, "users-code")
        logged_out(browser)
        browser.complaints.clear()
        filled(browser, 1, code=code, name="dave", password=PASSWORD)
        browser.wait(has("host-1"))
        assert asked(browser, "get", "/users/profile")["roles"] == ["viewer"]
        logged_out(browser)


def test_a_member_is_invited_and_a_profile_on_trial_is_kept() -> None:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name, network(Path(name), 1) as found:
        Path(name).chmod(0o755)
        (node,) = found.hosts
        NetworkFolder(node.kept / "mesh-home").keep_owner(found.key)
        found.write(node, "management: {}")
        node.namespace.sh("ip link set lo up")
        node.start()
        node.hear("the API server is ready")
        with Browser(node.entering) as browser:
            registered(node, browser)
            at(browser, "members", "There is no other member.")
            filled(browser, 0, name="laptop")
            code = shown_once(browser)
            assert len(code.split("-")) > 4
            browser.wait("document.querySelector('main tbody')?.innerText.includes('laptop')")
            looks_right(browser, "members-code")
            pressed(browser, "Take back")
            browser.wait(has("revoked"))

            found.write(node, "management: {}\nnetwork: {mtu: 1300}")
            at(browser, "changes", "network.mtu")
            looks_right(browser, "changes-plan")
            filled(browser, 0, confirm_within="300")
            browser.wait("document.querySelector('.trial strong')?.textContent.includes('min')")
            looks_right(browser, "trial")
            at(browser, "audit", "reload")
            pressed(browser, "Keep it")
            browser.wait("document.querySelector('.trial') === null")
            browser.wait(has("confirm"))  # the log is live
            assert node.status()["confirm_by"] is None
            assert node.status()["interface"]["mtu"] == 1300
            assert code not in browser.run("document.body.innerText")
            assert browser.complaints == []


def test_tabs_share_a_log_in_and_what_befalls_the_browser_loses_nothing(node: Host) -> None:
    with Browser(node.entering) as browser:
        registered(node, browser)
        first, second = browser.duplicate()
        browser.wait(has("host-1"))
        renew = """import('/dashboard/session.js').then(async ({ fresh }) => {
          const was = await fresh();
          return await fresh(was) !== was;
        })"""
        for tab in (second, second, first, second, first, first):  # each would use a token that the other one has used up
            browser.turn(tab)
            assert browser.run(renew) is True
        assert len(asked(browser, "get", "/users/profile/sessions")["items"]) == 1
        assert "apr_" not in browser.run("JSON.stringify([localStorage, sessionStorage])")
        logged_out(browser)
        browser.turn(second)
        browser.wait("document.querySelectorAll('main form').length === 2")
        assert browser.run("sessionStorage.length + localStorage.length") == 0
        assert browser.complaints == []

        filled(browser, 0, name="alice", password=PASSWORD)
        at(browser, "reviews", "Ask for a review")
        title = "document.querySelector('main [name=title]')"
        browser.run(f"{title}.value = 'half a thought', document.querySelector('[name=kind]').value = 'incident'")
        asked(browser, "post", "/auth/logout")  # by somebody else, as far as the page knows
        browser.run("document.querySelector('main form').requestSubmit()")
        browser.wait("document.querySelector('dialog.again form') !== null")
        filled(browser, -1, password=PASSWORD)
        browser.wait(f"document.querySelector('dialog') === null && {has('incident by alice: open')}")
        assert browser.run("document.querySelector('h2').textContent") == "half a thought"
        browser.complaints.clear()

        browser.run("history.back()")
        browser.wait(has("Ask for a review"))
        browser.run(f"{title}.value = 'another'")
        browser.connected(wanted=False)
        browser.run("document.querySelector('main form').requestSubmit()")
        browser.wait("document.querySelector('.away') !== null && document.querySelector('form .problem') !== null")
        looks_right(browser, "away")
        browser.connected(wanted=True)
        browser.wait("document.querySelector('.away') === null")
        assert browser.run(f"{title}.value") == "another"
        browser.complaints.clear()

        browser.connected(wanted=True, latency_ms=1500)
        for page in ("peers", "topology", "audit"):  # answers of a page that was left do not come into the next
            browser.run(f"location.hash = '#/{page}'")
        browser.wait(
            has("Loading…") + " || getComputedStyle(document.querySelector('.coming:empty'), '::before').content !== 'none'"
        )
        browser.wait(has("node.started"))
        assert browser.run("[document.querySelectorAll('h1').length, document.querySelectorAll('main section').length]") == [1, 1]
        assert browser.complaints == []
