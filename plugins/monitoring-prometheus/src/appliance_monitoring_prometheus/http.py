"""A small HTTP server for pages that are made when somebody asks. Bounds header size, time and connections; GET and HEAD only.

Nothing that a client sends raises here: what is not a request gets 400, and what takes too long or is too much is closed. As much
of RFC 9110 and 9112 as a scraper and a probe need; one request for each connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance_monitoring_prometheus.settings import Listen

MAX_HEAD_BYTES: Final = 8192
"""Request line and headers. Prometheus sends about 300 bytes."""
MAX_CONNECTIONS: Final = 32
"""At a time. More are closed as they come: a scraper has one."""
REQUEST_SECONDS: Final = 5.0
"""From the connection to the end of the headers, so that a slow sender takes a place for a short time only."""
ANSWER_SECONDS: Final = 10.0
"""For sending the answer."""
BACKLOG: Final = 16
VERBS: Final = ("GET", "HEAD")


class Page(NamedTuple):
    """An answer."""

    status: HTTPStatus
    content_type: str
    body: bytes


Make = Callable[[str], Page]
"""`make(accept)` gives the page as it is now; `accept` is the request's Accept header."""


class HttpServer:
    """Serves `pages`, by path. An async context manager: entering it raises OSError if the address cannot be bound."""

    def __init__(self, listen: Listen, pages: Mapping[str, Make]) -> None:
        self._listen = listen
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._requests = self._turned_away = 0

    @property
    def port(self) -> int:
        """The port that was really bound."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stats(self) -> Stats:
        """`turned_away`: connections beyond the most that may be open."""
        return {"requests": self._requests, "open": len(self._open), "turned_away": self._turned_away}

    async def __aenter__(self) -> Self:
        """Listen."""
        family = socket.AF_INET6 if ":" in self._listen.host else socket.AF_INET
        self._server = await asyncio.start_server(
            self._serve, self._listen.host, self._listen.port, family=family, limit=MAX_HEAD_BYTES, backlog=BACKLOG
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening and close what is open."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            self._turned_away += 1
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (OSError, TimeoutError, EOFError):  # gone, or too slow
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_SECONDS):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                head = b""
        page, verb = self._page(head)
        self._requests += 1
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(_response(page, with_body=verb != "HEAD"))
            await writer.drain()
            writer.write_eof()
            while await reader.read(MAX_HEAD_BYTES):  # closing on unread bytes would reset what we just sent
                pass

    def _page(self, head: bytes) -> tuple[Page, str]:
        if not head:
            return _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), "GET"
        line, _, rest = head.decode("latin-1").partition("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            return _plain(HTTPStatus.BAD_REQUEST), "GET"
        verb, path = words[0], words[1].partition("?")[0]
        make = self._pages.get(path)
        if make is None:
            return _plain(HTTPStatus.NOT_FOUND, f"there are: {', '.join(sorted(self._pages))}"), verb
        if verb not in VERBS:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED), verb
        try:
            return make(_header(rest, "accept")), verb
        except Exception as error:  # noqa: BLE001  figures that cannot be shown are a page, too
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__), verb


def _header(rest: str, name: str) -> str:
    for line in rest.split("\r\n"):
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == name:
            return value.strip()
    return ""


def _plain(status: HTTPStatus, more: str = "") -> Page:
    text = f"{status.value} {status.phrase}" + (f": {more}" if more else "")
    return Page(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def _response(page: Page, *, with_body: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(f"Allow: {', '.join(VERBS)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + page.body if with_body else head
