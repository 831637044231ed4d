"""Swagger UI and ReDoc as answers: what they come with, in which form, and that nothing else is there."""

from __future__ import annotations

import gzip
import hashlib
import json
import re

import httpx
import pytest
from starlette.applications import Starlette

from appliance.api_server.reference.pages import CONTENT_SECURITY_POLICY, FILES, FOLDER, PAGES, PIECE, routes

SOURCES = json.loads((FOLDER / "sources.json").read_text())["files"]


async def get(path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as browser:
        return await browser.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_needs_no_token_and_asks_for_what_is_there(page: str) -> None:
    answer = await get(page)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    named = re.findall(r'(?:src|href)="([\w.-]+\.(?:js|css))"', answer.text)
    assert len(named) == 3
    for name in named:
        assert (await get(page + name)).status_code == 200
    assert not re.search(r"<style|<script[^>]*>[^<]|\son\w+=|\sstyle=|https?://", answer.text)
    assert (await get(page.rstrip("/"))).headers["location"].endswith(page)


@pytest.mark.parametrize("name", SOURCES)
async def test_the_large_files_are_what_npm_has_packed_or_not(name: str) -> None:
    packed = await get(f"/docs/{name}", accept_encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == (FOLDER / f"{name}.gz").stat().st_size
    plain = await get(f"/docs/{name}", accept_encoding="gzip;q=0, identity")
    assert "content-encoding" not in plain.headers
    assert plain.content == packed.content == gzip.decompress((FOLDER / f"{name}.gz").read_bytes())
    assert hashlib.sha256(plain.content).hexdigest() == SOURCES[name]["sha256"]
    assert plain.headers["etag"] != packed.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    ("offered", "packed"),
    [
        ("gzip", True),
        ("br, GZIP ; q=0.5", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0.000", False),
        ("gzip; q=0", False),
    ],
)
async def test_what_a_client_takes(offered: str, packed: bool) -> None:
    assert ((await get("/docs/swagger-ui.css", accept_encoding=offered)).headers.get("content-encoding") == "gzip") is packed


async def test_no_more_than_a_piece_is_read_ahead_of_a_reader() -> None:
    pieces = []

    async def send(message: dict[str, object]) -> None:
        pieces.append(len(bytes(message.get("body", b""))))  # type: ignore[call-overload]

    async def receive() -> dict[str, object]:
        raise AssertionError("nobody asks for a body")

    for encoding in (b"gzip", b"identity"):
        scope = {
            "type": "http", "method": "GET", "path": "/docs/swagger-ui-bundle.js", "query_string": b"",
            "headers": [(b"accept-encoding", encoding)], "asgi": {"spec_version": "2.4"},
        }  # fmt: skip
        await Starlette(routes=routes())(scope, receive, send)  # type: ignore[arg-type]
    assert sum(pieces) > 2_000_000
    assert max(pieces) <= PIECE


async def test_what_a_browser_has_already_is_not_sent_again() -> None:
    first = await get("/docs/swagger.js")
    again = await get("/docs/swagger.js", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert (await get("/docs/swagger.js", if_none_match='"another"')).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "pages.py",
        "sources.json",
        "swagger-ui.css.gz",
        "swagger.html",
        "%2e%2e/server.py",
        "..%2fserver.py",
        "/etc/passwd",
    ],
)
async def test_nothing_else_is_there(name: str) -> None:
    assert (await get(f"/docs/{name}")).status_code == 404


def test_no_file_asks_another_host_and_the_licences_are_beside_them() -> None:
    for name in SOURCES:
        text = gzip.decompress((FOLDER / f"{name}.gz").read_bytes()).decode()
        assert "cdn." not in text, name
    assert "validatorUrl: null" in (FOLDER / "swagger.js").read_text()
    assert "Apache License" in (FOLDER / "LICENSE.swagger-ui.txt").read_text()
    assert "The MIT License" in (FOLDER / "LICENSE.redoc.txt").read_text()
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 1 << 20
    assert set(SOURCES) < set(FILES)
