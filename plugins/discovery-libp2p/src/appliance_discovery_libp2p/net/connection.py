"""One TCP connection: bytes between the socket and the session, and the streams in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from appliance_discovery_libp2p.net.streams import Stream, StreamGone
from appliance_discovery_libp2p.net.turns import TASK_SECONDS
from appliance_discovery_libp2p.wire import multistream, yamux
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.session import Ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance_discovery_libp2p.net.turns import Step, Turns
    from appliance_discovery_libp2p.wire.session import Event, Session

HANDSHAKE_SECONDS: Final = 10.0
"""From the first byte to a proved peer. An honest one on the other side of the world needs two."""
NEGOTIATION_SECONDS: Final = 10.0
"""For the protocol of a stream."""
ASKED_PER_SECOND: Final = 10
"""Streams that a peer may open, and questions that it may ask, in the long run: an answer takes up to half a millisecond."""
ASKED_AT_ONCE: Final = 200
BYTES_PER_SECOND: Final = 1024 * 1024
"""That are read of a peer in the long run: to open them costs, whatever they say. An honest one sends a thousandth of that."""
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
PIECE_BYTES: Final = 4096
FRAMES: Final = 64
"""What one step opens and reads of what came, a fraction of a millisecond: bytes of the socket, and frames of yamux in them."""


class Owner(Protocol):
    """What a connection tells to whom it belongs. Nothing here may raise."""

    turns: Turns

    def made(self, connection: Connection) -> None:
        """TCP is up."""

    def ready(self, connection: Connection) -> None:
        """The peer is proved."""

    def opened(self, stream: Stream) -> None:
        """The peer has opened a stream."""

    def lost(self, connection: Connection, reason: str) -> None:
        """It is over; the reason is a word, "" for an ordinary end."""


class Where(NamedTuple):
    """An end of it."""

    host: str
    port: int


class Connection(asyncio.Protocol):
    """`dialed`: this node called."""

    def __init__(self, owner: Owner, session: Session, *, dialed: bool, now: Callable[[], float]) -> None:
        self.dialed = dialed
        self.peer = b""
        self.remote = Where("", 0)
        self.last_used = self.last_heard = now()
        """Seconds of the event loop: when anything was sent or came, and when anything came."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the peer is proved, and with an error when it never is."""
        self.known = asyncio.Event()
        """Set once it has said of itself what it says, or does not."""
        self._owner, self._session, self._now = owner, session, now
        self._transport: asyncio.Transport | None = None
        self._came = bytearray()
        """Bytes of the socket that nobody has looked at; while there are any, no more are read."""
        self._busy = False
        """Has `_step` its turn to come?"""
        self._streams: dict[int, Stream] = {}
        self._drained = asyncio.Event()
        self._drained.set()
        self._reason = ""
        self._allowance = float(ASKED_AT_ONCE)
        self._bytes = float(BYTES_AT_ONCE)
        self._late: asyncio.TimerHandle | None = None

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    @property
    def alive(self) -> bool:
        """Can streams be opened?"""
        return self._transport is not None and self._session.ready and not self._session.mux.leaving

    @property
    def refused(self) -> int:
        """Streams that were refused or reset because of a limit."""
        return self._session.mux.refused

    async def open(self, protocols: Sequence[str]) -> tuple[Stream, str]:
        """A stream, and which of the protocols is spoken in it. Raises OSError, Malformed, TimeoutError."""
        if not self.alive:
            raise StreamGone
        stream = Stream(self, self._session.mux.open())
        self._streams[stream.number] = stream
        try:
            async with asyncio.timeout(NEGOTIATION_SECONDS):
                return stream, await stream.negotiate(multistream.Dialer(protocols))
        except BaseException:
            stream.reset()
            raise

    def spend(self, questions: int = 1) -> None:
        """The peer asks for something. Raises Malformed when it asks too much."""
        self._allowance -= questions
        if self._allowance < 0:
            raise Malformed("asks too fast")

    def probe(self) -> None:
        """Have the peer say that it is there."""
        self._session.mux.ping()
        self._flush()

    def abort(self, reason: str) -> None:
        """End it now, because of this."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Say that it ends, and end it."""
        if self._transport is not None:
            if self._session.ready:
                self._session.mux.go_away()
                self._flush()
            if self._transport.get_write_buffer_size():
                self._transport.abort()  # the peer does not read: what waits for it would keep the socket open
            else:
                self._transport.close()

    # ---- for streams ----

    async def turn(self, seconds: float = TASK_SECONDS) -> None:
        """Wait until this connection has its turn, for what takes so many seconds at most."""
        await self._owner.turns.turn(self, seconds)

    def in_turn(self, step: Step) -> None:
        """Have this done when this connection has its turn; it wakes up a task."""
        self._owner.turns.add(self, step, TASK_SECONDS)

    async def drained(self) -> None:
        """The socket takes more. Raises StreamGone."""
        await self._drained.wait()
        if self._transport is None:
            raise StreamGone

    def send(self, stream: int, data: memoryview) -> int:
        """So many of these bytes went."""
        self.last_used = self._now()
        sent = self._session.mux.send(stream, data)
        self._flush()
        return sent

    def taken(self, stream: int, count: int) -> None:
        """So many bytes of a stream were read."""
        self._session.mux.taken(stream, count)
        self._flush()

    def end(self, stream: int) -> None:
        """Nothing more is sent in it."""
        self._session.mux.end(stream)
        self._forget_if_over(stream)
        self._flush()

    def reset(self, stream: int) -> None:
        """It is over."""
        self._streams.pop(stream, None)
        self._session.mux.reset(stream)
        self._flush()

    # ---- from the socket ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self._transport = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if peername is None:
            self.abort("gone at once")
            return
        self.remote = Where(*peername[:2])
        self._late = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self.abort, "handshake late")
        self._owner.made(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """The next is read when this is judged."""
        self.last_used = self.last_heard = self._now()
        self._bytes -= len(data)
        self._came += data
        if self._transport is not None:
            self._transport.pause_reading()
        self._go_on()

    def pause_writing(self) -> None:
        """The peer does not read: nothing of it is read either, so that answers do not pile up."""
        self._drained.clear()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._drained.set()
        self._go_on()
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        del exc
        self._transport = None
        if self._late is not None:
            self._late.cancel()
        self._drained.set()
        self.known.set()
        for stream in [*self._streams.values()]:
            stream.gone()
        self._streams.clear()
        self._came.clear()
        if not self.ready.done():
            self.ready.set_exception(StreamGone(self._reason or "it ended before the peer was known"))
            self.ready.exception()  # nobody need ask
        self._owner.lost(self, self._reason)

    def _go_on(self) -> None:
        if not self._busy:
            self._busy = True
            self._owner.turns.add(self, self._step)

    def _step(self) -> bool:
        """Whatever the peer sends, this is where it is judged, a piece at a time. Is there more that can be?"""
        self._busy = self._judge_piece()
        if not self._busy:
            self._read_on()
        return self._busy

    def _judge_piece(self) -> bool:
        if self._transport is None or self._transport.is_closing() or not self._drained.is_set():
            return False
        piece = b""
        if not self._session.mux.more:
            piece = bytes(self._came[:PIECE_BYTES])
            del self._came[:PIECE_BYTES]
        try:
            events = self._session.receive(piece, FRAMES)
        except Malformed as error:
            self.abort(error.reason)
            return False
        for event in events:
            self._happened(event)
        self._flush()
        return bool(self._came) or self._session.mux.more

    def _happened(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.peer = event.peer
            if self._late is not None:
                self._late.cancel()
            if not self.ready.done():
                self.ready.set_result(None)
            self._owner.ready(self)
        elif isinstance(event, yamux.Opened):
            self._take(event.stream)
        elif (stream := self._streams.get(event.stream)) is not None:
            self._tell(stream, event)

    def _take(self, number: int) -> None:
        try:
            self.spend()
        except Malformed as error:
            self.abort(error.reason)
            return
        stream = self._streams[number] = Stream(self, number)
        self._owner.opened(stream)

    def _tell(self, stream: Stream, event: Event) -> None:
        if isinstance(event, yamux.Data):
            stream.came(event.data)
        elif isinstance(event, yamux.Room):
            stream.room()
        elif isinstance(event, yamux.Ended):
            stream.ended()
            self._forget_if_over(stream.number)
        else:
            self._streams.pop(stream.number, None)
            stream.gone()

    def _forget_if_over(self, stream: int) -> None:
        """Whoever still reads what came holds the stream himself."""
        if not self._session.mux.knows(stream):
            self._streams.pop(stream, None)

    def _read_on(self) -> None:
        waits = self._busy or self._came or self._session.mux.more
        if self._transport is not None and not waits and self._bytes >= 0 and self._drained.is_set():
            self._transport.resume_reading()

    def refill(self, seconds: float) -> None:
        """So much time has gone by."""
        self._bytes = min(float(BYTES_AT_ONCE), self._bytes + seconds * BYTES_PER_SECOND)
        self._read_on()
        self._allowance = min(float(ASKED_AT_ONCE), self._allowance + seconds * ASKED_PER_SECOND)

    def _flush(self) -> None:
        if self._transport is not None and (data := self._session.take_out()):
            self._transport.write(data)
