"""One connection: HTTP until it is upgraded, then frames. What is said in them is the switchboard's matter."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from appliance.api.values import group_of
from appliance_server_signalling.messages import MOST_BYTES

if TYPE_CHECKING:
    from appliance_server_signalling.server import SignallingServer
    from appliance_server_signalling.switchboard import Link

PIECE: Final = 4096
"""Bytes that are looked at before the limits are: a read may have a quarter of a million, and a frame two."""
MOST_HEAD: Final = 16 << 10
"""Bytes of a request."""
HIGH_WATER: Final = 16 << 10
"""Bytes that may wait for their reader before its patience begins."""
MOST_UNREAD: Final = 128 << 10
"""Bytes that wait for a reader who is cut off then."""
_QUIET: Final = logging.getLogger("appliance_server_signalling.frames")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_QUIET.setLevel(logging.CRITICAL + 1)  # it tells each connection, and what is in each frame


class Connection(asyncio.Protocol):
    """Made for a connection that was let in."""

    __slots__ = ("_parts", "_protocol", "_read", "_server", "_transport", "link")

    def __init__(self, server: SignallingServer) -> None:
        self._server = server
        self._protocol = ServerProtocol(max_size=MOST_BYTES, logger=_QUIET)
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        """Of a message that is not complete."""
        self._read = 0
        """Bytes of the request, and after the end."""
        self.link: Link | None = None
        """None before the upgrade, and when it was told to go."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER)
        self._server.came(self)

    def data_received(self, data: bytes) -> None:
        """Look at what came, piece by piece."""
        for start in range(0, len(data), PIECE):
            if self._transport is None or self._transport.is_closing():
                return
            self._take(data[start : start + PIECE])
        self._server.waits_for_more(self, unfinished=bool(self._parts or self._protocol.reader.buffer))

    def eof_received(self) -> bool:
        """Nothing more comes."""
        self._protocol.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It has ended."""
        self._transport = None
        self._server.lost(self)

    def pause_writing(self) -> None:
        """More is written than the peer reads."""
        self._server.is_behind(self, behind=True)

    def resume_writing(self) -> None:
        """It reads again."""
        self._server.is_behind(self, behind=False)

    def send(self, text: str) -> None:
        """A message."""
        if self._protocol.state is OPEN:
            self._protocol.send_text(text.encode())
            self._flush()

    def ping(self) -> None:
        """Is it there?"""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str) -> None:
        """Say that it is over. Whoever does not answer is cut off later."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
        elif self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """End it at once."""
        self._server.left(self)
        if self._transport is not None:
            self._transport.abort()

    def _take(self, piece: bytes) -> None:
        if self.link is None:
            self._read += len(piece)
            if self._read > MOST_HEAD:
                self.cut()
                return
        self._protocol.receive_data(piece)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif self.link is not None:
                self._frame(self.link, event)
        self._flush()

    def _answer(self, request: Request) -> None:
        assert self._transport is not None
        secure = self._transport.get_extra_info("ssl_object") is not None
        at = self._transport.get_extra_info("sockname")[0]
        response = self._server.judge(self._protocol, request, at, secure=secure)
        if response is None:
            response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if self._protocol.state is OPEN:
            address = (self._transport.get_extra_info("peername") or ("",))[0]
            self.link = self._server.upgraded(self, request.headers["Host"], group_of(address))

    def _frame(self, link: Link, frame: object) -> None:
        assert isinstance(frame, Frame)
        whole = frame.fin and frame.opcode is not Opcode.CONT and not self._parts
        if not self._server.heard(link, len(frame.data)):
            if not whole:
                self._fail(CloseCode.POLICY_VIOLATION, "too many messages")
            return
        match frame.opcode:
            case Opcode.BINARY:
                self._fail(CloseCode.UNSUPPORTED_DATA, "messages are text")
            case Opcode.TEXT | Opcode.CONT:
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    content, self._parts = b"".join(self._parts), []
                    self._text(link, content)
            case _:
                pass

    def _text(self, link: Link, content: bytes) -> None:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "text is UTF-8")
            return
        self._server.said(link, text)

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._protocol.fail(code, reason)
        self._server.left(self)

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            else:
                self._server.left(self)
                transport.close()
        if transport.get_write_buffer_size() > MOST_UNREAD:
            self._server.counted["slow_reader"] += 1
            self.cut()


def page(protocol: ServerProtocol, text: str) -> Response:
    """An answer that is a page. It loads nothing and runs what stands in it."""
    response = protocol.reject(HTTPStatus.OK, text)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
