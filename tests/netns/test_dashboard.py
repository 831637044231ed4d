"""The dashboard in Chromium, on a real node: the first user's first look at it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """Fill the page's form in and send it."""
    browser.run(f"""(() => {{
      const form = document.querySelectorAll("main form")[{form}];
      for (const [name, value] of Object.entries({json.dumps(values)})) {{
        form.elements[name].value = value;
        form.elements[name].dispatchEvent(new Event("change", {{ bubbles: true }}));
      }}
      form.requestSubmit();
    }})()""")


def logged_out(browser: Browser) -> None:
    browser.run("document.querySelector('.who button').click()")
    browser.wait("document.querySelectorAll('main form').length === 2")
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

        peer = json.dumps({"items": [{"name": HOSTILE, "connected": True, "origin": "member"}], "next": ""})
        browser.run(f"""window.asked = fetch; window.fetch = (path, more) =>
          path.includes("/peers") ? Promise.resolve(Response.json({peer})) : asked(path, more)""")
        browser.run("location.hash = '#/peers'")
        browser.wait(has(HOSTILE))
        assert browser.run("document.querySelectorAll('main img, main script').length") == 0
        assert browser.complaints == []
        browser.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))")
        assert browser.run("window.ran") is None
        while not browser.complaints:  # it is told as soon as the browser is asked something
            browser.run("0")
        assert "Content Security Policy" in browser.complaints.pop()

        for name, role in (("bob", "operator"), ("carol", "viewer")):
            user = json.dumps({"name": name, "password": PASSWORD, "roles": [role]})
            browser.run(f"import('/dashboard/api.js').then((api) => api.post('/users', {user})).then(() => true)")
        browser.call("Page.reload")  # the log-in outlives it
        browser.wait(has("other"))
        logged_out(browser)

        filled(browser, 0, name="bob", password=PASSWORD)
        browser.wait(has("Round trip"))
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
        assert browser.run("[...document.querySelectorAll('nav a')].map((each) => each.hash)") == [f"#/{page}" for page in VIEWED]
        for page, text in (("jobs", "health-check"), ("reviews", "alice")):
            at(browser, page, text)
            assert browser.run("document.querySelectorAll('main form, main button:not([hidden])').length") == 0
        assert browser.complaints == []
