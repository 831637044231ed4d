"""One WebSocket in the carrier: frames and TLS on the one side, a socket to the node's worker on the other. Bytes in between.

Frames have no meaning: what they hold is one stream, in which the worker finds its records. Each side is read only while the
other one takes what was read, so nothing here grows.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from appliance_transport_websocket.place import Place

PIECE: Final = 65536
"""Bytes of the worker's stream in one frame, at most."""
MOST_FRAME: Final = 1 << 20
"""Bytes of a frame that is taken: it is kept in memory until it is whole."""
UNSENT: Final = 262144
"""Bytes that TLS may keep for a far end that does not read, before the worker is not read any more."""
PIECES_A_TURN: Final = 4

Ended = Callable[[str], None]
"""Told once how a link ended that was established: "closed", or "malformed"."""


class NotEstablished(ConnectionError):
    """There will be no WebSocket. `kind` is for counting; the text, if there is one, is for the admin."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(text)
        self.kind = kind


class Link(asyncio.Protocol):
    """`established` is done when the WebSocket is there; it fails with a sentence if it will not be."""

    def __init__(self, pair: socket.socket, websocket: ClientProtocol | ServerProtocol, place: Place, ended: Ended) -> None:
        """`pair` is the local end; it belongs to the link."""
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._pair = pair
        self._websocket = websocket
        self._place = place
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._kept = b""
        """What the worker has not taken yet. Meanwhile the far end is not read."""
        self._far_end_takes = True
        self._is_over = False

    # ---- the far end ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(UNSENT)
        if isinstance(self._websocket, ClientProtocol):
            self._websocket.send_request(self._websocket.connect())
            self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes of the far end."""
        if self._is_over:
            return
        self._websocket.receive_data(data)
        self._take_events()
        self._flush()
        if self._websocket.handshake_exc is not None and not self.established.done():
            self._refuse()
        elif self._websocket.close_expected() and not self._is_over:
            self.end("malformed" if self._websocket.parser_exc is not None else "closed")

    def eof_received(self) -> None:
        """The far end sends no more."""
        self.end("closed")

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        del error
        self.end("closed")

    def pause_writing(self) -> None:
        """The far end does not read."""
        self._far_end_takes = False
        self._loop.remove_reader(self._pair)
        self._set_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._far_end_takes = True
        if self.established.done() and not self._is_over:
            self._loop.add_reader(self._pair, self._read_worker)
        self._set_reading()

    def end(self, how: str) -> None:
        """Close both sides, once."""
        if self._is_over:
            return
        self._is_over = True
        for forget in (self._loop.remove_reader, self._loop.remove_writer):
            forget(self._pair)
        self._pair.close()
        if self._transport is not None:
            self._transport.close()
        if not self.established.done():
            self._fail(NotEstablished(how))
        elif self.established.exception() is None:
            self._ended(how)

    def _take_events(self) -> None:
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Response):
                self._take_answer()
            elif not self._take_frame(event):
                return

    def _answer(self, request: Request) -> None:
        server = cast("ServerProtocol", self._websocket)
        path = request.path.partition("?")[0]
        if path != self._place.path:
            server.send_response(server.reject(404, "Not Found\n"))
        else:
            server.send_response(server.accept(request))
        self._flush()
        if server.state is State.OPEN:
            self._is_established()
        else:
            self.end("upgrade")

    def _take_answer(self) -> None:
        if self._websocket.state is State.OPEN:
            self._is_established()
            return
        self._refuse()

    def _refuse(self) -> None:
        """What came is no handshake, or one that does not suit us."""
        if isinstance(self._websocket, ServerProtocol):
            self.end("malformed")
            return
        error, shown = self._websocket.handshake_exc, self._place.shown
        if isinstance(error, InvalidStatus):
            said = f"{shown} answered {error.response.status_code} and is no WebSocket at {self._place.path}: is the path right?"
        else:
            said = f"{shown} answers, but not as a WebSocket" + (f" ({error})" if isinstance(error, InvalidHandshake) else "")
        self._fail(NotEstablished("upgrade", said))
        self.end("upgrade")

    def _fail(self, error: NotEstablished) -> None:
        if not self.established.done():
            self.established.set_exception(error)
            self.established.exception()  # whoever waited may have gone

    def _is_established(self) -> None:
        self._loop.add_reader(self._pair, self._read_worker)
        self.established.set_result(None)

    def _take_frame(self, frame: object) -> bool:
        assert isinstance(frame, Frame)
        if frame.opcode is Opcode.TEXT:
            self._websocket.fail(1003, "binary frames only")
            self._flush()
            self.end("malformed")
            return False
        if frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._write_worker(bytes(frame.data))
        return not self._is_over

    def _flush(self) -> None:
        if self._transport is None or self._is_over:
            return
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    # ---- the worker ----

    def _read_worker(self) -> None:
        for _ in range(PIECES_A_TURN):
            try:
                data = self._pair.recv(PIECE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                with suppress(Exception):  # it may be in no state to close
                    self._websocket.send_close()
                self._flush()
                self.end("closed")
                return
            self._websocket.send_binary(data)
            self._flush()
            if not self._far_end_takes:
                return

    def _write_worker(self, data: bytes) -> None:
        if self._kept:
            self._kept += data
            return
        try:
            sent = self._pair.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.end("closed")
            return
        if sent < len(data):
            self._kept = data[sent:]
            self._loop.add_writer(self._pair, self._write_kept)
            self._set_reading()

    def _write_kept(self) -> None:
        try:
            sent = self._pair.send(self._kept)
        except BlockingIOError:
            return
        except OSError:
            self.end("closed")
            return
        self._kept = self._kept[sent:]
        if not self._kept:
            self._loop.remove_writer(self._pair)
            self._set_reading()

    def _set_reading(self) -> None:
        """Read the far end while the worker takes it, and while the far end takes what it provokes, such as pongs."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._kept or not self._far_end_takes:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


def calling(place: Place) -> ClientProtocol:
    """The WebSocket's side that calls."""
    return ClientProtocol(parse_uri(f"wss://{place.shown}{place.path}"), max_size=MOST_FRAME)


def answering() -> ServerProtocol:
    """The WebSocket's side that is called."""
    return ServerProtocol(max_size=MOST_FRAME)
