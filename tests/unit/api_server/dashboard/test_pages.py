"""The dashboard's files: what they are answered with, and that nothing else is."""

from __future__ import annotations

import re

import httpx
import pytest
from starlette.applications import Starlette

from appliance.api_server.dashboard.pages import CONTENT_SECURITY_POLICY, FILES, routes


async def get(path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as browser:
        return await browser.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("path", ["/", "/dashboard"])
async def test_the_beginning_leads_there(path: str) -> None:
    answer = await get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard/")


async def test_each_file_has_its_type_and_the_policy_and_needs_no_token() -> None:
    types = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
    for name in FILES:
        answer = await get(f"/dashboard/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == types[name.rpartition(".")[2]]
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert (await get("/dashboard/")).content == FILES["index.html"][0]
    assert "unsafe" not in CONTENT_SECURITY_POLICY


async def test_what_a_browser_has_already_is_not_sent_again() -> None:
    first = await get("/dashboard/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await get("/dashboard/main.js", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert (await get("/dashboard/main.js", if_none_match='"another"')).status_code == 200


@pytest.mark.parametrize(
    "name", ["nothing.js", "pages.py", "__init__.py", "%2e%2e/server.py", "..%2fserver.py", "/etc/passwd", "main.js/"]
)
async def test_nothing_else_is_there(name: str) -> None:
    assert (await get(f"/dashboard/{name}")).status_code == 404


def test_files_name_only_each_other_and_write_no_markup() -> None:
    text = {name: content.decode() for name, (content, _) in FILES.items()}
    for name, source in text.items():
        named = re.findall(r'(?:from|src=|href=)\s*"\.?/?([\w.]+\.(?:js|css))"', source)
        assert set(named) <= set(text), name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://(?!www\.w3\.org/2000/svg)", source
        ), name
    assert not re.search(r"<style|<script[^>]*>[^<]|\son\w+=|\sstyle=", text["index.html"])


def test_the_browser_is_told_of_all_scripts_at_once() -> None:
    """Otherwise it would find them one behind the other, each after a way to the node and back."""
    named = re.findall(r'(?:modulepreload" href|src)="([\w.]+)"', FILES["index.html"][0].decode())
    assert sorted(named) == sorted(name for name in FILES if name.endswith(".js"))
