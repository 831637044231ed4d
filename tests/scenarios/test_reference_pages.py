"""Swagger UI and ReDoc in Chromium, of a whole API server: everything is there, and an operation can be tried with a token."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.netns.browser import Browser
from tests.rigs.whole_api import first_user, whole_api

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: packaging/setup.sh")

FILL = """(selector, text) => {
  const field = document.querySelector(selector);
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", {bubbles: true}));
}"""
"""As somebody types: React does not see a value that a script sets."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    with whole_api(tmp_path) as base:
        yield base


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser([]) as made:
        made.resize(1280)
        yield made


def operations(api: str) -> dict[str, Any]:
    """By their names."""
    paths = httpx.get(f"{api}/api/v1/openapi.json", timeout=60).json()["paths"]
    return {told["operationId"]: told for verbs in paths.values() for told in verbs.values()}


def test_swagger_ui_has_all_operations_and_one_is_tried_with_a_token(api: str, browser: Browser) -> None:
    known = operations(api)
    browser.call("Page.navigate", url=f"{api}/docs/")
    browser.wait(f"document.querySelectorAll('.opblock').length === {len(known)}")
    shown = browser.run("[...document.querySelectorAll('.opblock')].map((each) => each.id.split('-').at(-1))")
    assert set(shown) == set(known)

    try_out(browser)
    browser.wait("document.querySelector('.live-responses-table tbody .response-col_status')?.innerText.includes('401')")
    while not browser.complaints:  # the browser tells each refusal, as soon as it is asked something
        browser.run("0")
    assert "401" in browser.complaints.pop()

    browser.run("document.querySelector('.btn.authorize').click()")
    browser.wait("!!document.querySelector('.auth-container input')")
    browser.run(f"({FILL})('.auth-container input', {json.dumps(first_user(api))})")
    browser.run("document.querySelector('.auth-btn-wrapper .authorize').click()")
    browser.wait("document.querySelector('.auth-btn-wrapper')?.innerText.includes('Logout')")
    browser.run("document.querySelector('.auth-btn-wrapper .btn-done').click()")
    browser.run("document.querySelector('.execute').click()")
    browser.wait("document.querySelector('.live-responses-table tbody .response-col_status')?.innerText.includes('200')")
    assert '"alice"' in browser.run("document.querySelector('.live-responses-table').innerText")
    assert browser.run("localStorage.length + sessionStorage.length") == 0, "the token goes with the page"
    assert browser.complaints == []


def try_out(browser: Browser) -> None:
    """Ask who one is, as somebody does who clicks."""
    block = "#operations-Oneself-users_profile"
    browser.run(f"document.querySelector('{block} .opblock-summary-control').click()")
    browser.wait(f"!!document.querySelector('{block} .try-out__btn')")
    browser.run(f"document.querySelector('{block} .try-out__btn').click()")
    browser.wait(f"!!document.querySelector('{block} .execute')")
    browser.run(f"document.querySelector('{block} .execute').click()")


def test_redoc_has_all_operations(api: str, browser: Browser) -> None:
    known = operations(api)
    browser.call("Page.navigate", url=f"{api}/redoc/")
    browser.wait("document.querySelectorAll('[data-section-id*=\"/operation/\"]').length > 0")
    browser.wait(
        "new Set([...document.querySelectorAll('[data-section-id*=\"/operation/\"]')]"
        f".map((each) => each.dataset.sectionId)).size === {len(known)}"
    )
    shown = browser.run(
        "[...document.querySelectorAll('[data-section-id*=\"/operation/\"]')].map((each) => each.dataset.sectionId)"
    )
    assert {each.rpartition("/")[2] for each in shown} == set(known)
    assert browser.run("document.documentElement.scrollWidth") <= 1280
    assert browser.complaints == []
