"""HTTP/1.1 as uvicorn speaks it, with what it lacks: deadlines, limits, who is at the other end of a Unix socket, and refusals
with a body that programs understand.

    head ── header fields complete ──▶ body ── message complete ──▶ idle ── first byte ──▶ head
      │ 10 s, 32 KiB                     │ 30 s and more, 4 MiB
      └──────────── refused ─────────────┘
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from appliance.api_server import refusals
from appliance.api_server.caller import LOCAL, Caller
from appliance.api_server.edge import limits
from appliance.api_server.edge.figures import Figures
from appliance.api_server.edge.headers import SECURITY
from appliance.api_server.edge.limits import Deadlines
from appliance.api_server.problems import problem
from appliance.api_server.refusals import Refused
from appliance.control.callers import user_of
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import get_logger

log = get_logger("api")

VERSIONS: Final = {"1.1", "1.0"}


FindWho = Callable[[asyncio.Transport], Callable[[], Awaitable[Caller]] | None]
"""How to find who is at the other end of a connection; None if it does not say so itself."""


class _Part(Enum):
    """What of a request is read."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


class Http(HttpToolsProtocol):
    """One connection."""

    def __init__(self, config: Config, state: ServerState, figures: Figures, deadlines: Deadlines, who: FindWho) -> None:
        super().__init__(config, state, {})
        self._find_who = who
        self._figures = figures
        self._deadlines = deadlines
        self._part = _Part.IDLE
        self._turn = 0
        """How often another part of a request began."""
        self._came = 0
        """Bytes of this part, without those that came in one piece with the part before."""
        self._fields = self._field_bytes = 0
        self._over = False
        """Refused: what comes now is thrown away."""
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    # ---- the connection ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """As uvicorn, and ask the kernel who that is."""
        super().connection_made(transport)
        connection: Any = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            self.client = LOCAL, user_of(connection)
            self.app_state = {"client": self.client}  # what a WebSocket is told of it
        if (who := self._find_who(transport)) is not None:
            self.app_state["who"] = who
        self._read_by(self._deadlines.head)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn."""
        self._read_by(None)
        self._written_by(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, if this was not refused already."""
        if self._over or self.parser is None:
            return
        self._unset_keepalive_if_required()
        if self._reading is None and self._part is _Part.IDLE:
            self._read_by(self._deadlines.head)
        turn = self._turn + (self._part is _Part.IDLE)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._read_by(None)
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            return
        except httptools.HttpParserError as error:
            self._refuse(_reason(error))
            return
        if self._turn <= turn:
            self._came += len(data)
            self._judge_raw()

    def _judge_raw(self) -> None:
        """What the parser keeps to itself until a line is complete, and what it only skips, counts too."""
        if self._part is _Part.HEAD and self._came > limits.MOST_HEAD + limits.MOST_ADDRESS:
            self._refuse(_head_too_large())
        elif self._part is _Part.BODY and self._came > limits.MOST_RAW_BODY:
            self._refuse(refusals.RequestTooLarge(f"more than {limits.MOST_RAW_BODY >> 20} MiB came", hint="send less"))

    # ---- one request ----

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._begin(_Part.HEAD)
        self._fields = self._field_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)
        if len(self.url) > limits.MOST_ADDRESS:
            raise refusals.AddressTooLong(f"the address has more than {limits.MOST_ADDRESS >> 10} KiB", hint="use a shorter one")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or one behind a chunked body, where this server believes none."""
        self._fields += 1
        self._field_bytes += len(name) + len(value)
        if self._fields > limits.MOST_FIELDS or self._field_bytes > limits.MOST_HEAD:
            raise _head_too_large()
        if self._part is _Part.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request is judged, and begins."""
        self._judge_head()
        if len(self.pipeline) >= limits.MOST_PIPELINED:
            raise refusals.MalformedRequest("too many requests wait on this connection", hint="wait for answers")
        if self.parser.should_upgrade() and self._should_upgrade() and self._is_answering:
            raise _malformed("an upgrade waits on a connection with other requests")
        self._begin(_Part.BODY)
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self._should_upgrade():
            self.cycle.keep_alive = False  # the parser says nothing about what comes behind it
        self._read_by(self._deadlines.body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._begin(_Part.IDLE)
        self._read_by(None)
        super().on_message_complete()

    def _begin(self, part: _Part) -> None:
        self._part, self._came = part, 0
        self._turn += 1

    def _judge_head(self) -> None:
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            raise refusals.UnknownVersion("this is neither HTTP/1.1 nor HTTP/1.0", hint="use HTTP/1.1")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _malformed(f"the header Host is there {hosts} times")
        if self.parser.get_method() == b"CONNECT" or self.url.startswith(b"*"):
            raise _malformed("the address has no path")
        for name, value in self.headers:
            if name == b"transfer-encoding" and (value.lower() != b"chunked" or version == "1.0"):
                raise _malformed("Transfer-Encoding has something other than chunked")
            if name == b"expect" and value.lower() != b"100-continue":
                raise refusals.UnknownExpectation("Expect has something other than 100-continue", hint="send no Expect")

    # ---- deadlines ----

    def _read_by(self, seconds: float | None) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None if seconds is None else self.loop.call_later(seconds, self._late, seconds)

    def _late(self, allowed: float) -> None:
        more = self._deadlines.body + self._came / self._deadlines.least_rate - allowed
        if self._part is _Part.BODY and (more > 0 or self.flow.read_paused):  # it came fast enough, or it is we who do not read
            self._reading = self.loop.call_later(max(more, 1.0), self._late, allowed + max(more, 0.0))
            return
        self._reading = None
        self._refuse(refusals.RequestTooSlow("the request did not arrive in time", hint="send it at once"))

    def _written_by(self, seconds: float | None) -> None:
        if self._writing is not None:
            self._writing.cancel()
        self._writing = None if seconds is None else self.loop.call_later(seconds, self._unread)

    def _unread(self) -> None:
        self._figures.refused["unread"] += 1
        self.transport.abort()

    def pause_writing(self) -> None:
        """More is written than the client takes."""
        super().pause_writing()
        self._written_by(self._deadlines.write)

    def resume_writing(self) -> None:
        """It takes some."""
        super().resume_writing()
        self._written_by(None)

    def on_response_complete(self) -> None:
        """What is written last is to be read in time, too."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._written_by(self._deadlines.write)

    def timeout_keep_alive_handler(self) -> None:
        """Silent for too long; nobody waits for it to read what was written."""
        if self.transport.get_write_buffer_size():
            self._unread()
        else:
            super().timeout_keep_alive_handler()

    # ---- refusing ----

    def _refuse(self, error: Refused) -> None:
        """Say why where that can still be said, and read no more."""
        self._over = True
        self._read_by(None)
        self._figures.refused[error.reason] += 1
        if self._is_answering and not self._give_up_cycle():
            return
        number = random_bytes(8).hex()
        log.debug("refused", reason=error.reason, message=error.message, request=number)
        self._figures.answered(error.status)
        self.transport.write(self._answer(error, number))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._reading = self.loop.call_later(self._deadlines.linger, self.transport.abort)

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _give_up_cycle(self) -> bool:
        """Something before this is not answered yet. Returns whether there is still somebody to say it to."""
        if self._part is not _Part.BODY:  # what is wrong came behind whole requests: those are answered, and that is the end
            self.cycle.keep_alive = False
            return False
        if self.pipeline or self.cycle.response_started:
            self.transport.abort()
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True

    def _answer(self, error: Refused, number: str) -> bytes:
        said = problem(error, number)
        fields = [*self.server_state.default_headers, *said.raw_headers, *SECURITY]
        more = [(b"x-request-id", number.encode()), (b"connection", b"close")]
        lines = b"".join(b"%b: %b\r\n" % field for field in [*fields, *more])
        return STATUS_LINE[said.status_code] + lines + b"\r\n" + bytes(said.body)


def _reason(error: httptools.HttpParserError) -> Refused:
    """Which of our callbacks refused it, or else what the parser says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Refused):
            return cause
        cause = cause.__context__
    return _malformed("the request is not what RFC 9112 has")


def _malformed(message: str) -> Refused:
    return refusals.MalformedRequest(message, hint="send HTTP/1.1 as RFC 9112 has it")


def _head_too_large() -> Refused:
    most = f"{limits.MOST_FIELDS} header fields and {limits.MOST_HEAD >> 10} KiB"
    return refusals.HeadTooLarge(f"a request has at most {most} of them", hint="send less")
