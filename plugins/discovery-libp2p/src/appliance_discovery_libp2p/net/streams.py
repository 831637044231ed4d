"""One stream of a connection, for whoever speaks a protocol in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from appliance_discovery_libp2p.wire import varint
from appliance_discovery_libp2p.wire.malformed import Malformed

if TYPE_CHECKING:
    from appliance_discovery_libp2p.net.connection import Connection
    from appliance_discovery_libp2p.wire.multistream import Negotiation

MOST_READ: Final = 256 * 1024


class StreamGone(OSError):
    """The other side reset the stream, or the connection is gone."""


class Stream:
    """Reading and writing wait; whoever calls sets the limit of time. All raise StreamGone once the stream is gone."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self._in = bytearray()
        self._untold = 0
        """Bytes that came and are not known to be taken: those in `_in`, or read since."""
        self._ended = self._gone = False
        self._changed = asyncio.Event()
        self._stirred = False
        """Will `_changed` be set in the connection's turn?"""

    @property
    def peer(self) -> bytes:
        """Who is at the other end; it is proved."""
        return self.connection.peer

    async def read(self, most: int = MOST_READ) -> bytes:
        """What has come, at least one byte; b"" when nothing more comes."""
        await self._turn()
        while not self._in:
            if self._ended:
                return b""
            await self._wait()
        taken = bytes(self._in[:most])
        del self._in[:most]
        self._tell_taken()
        return taken

    async def read_message(self, most: int) -> bytes | None:
        """The next message with its length before it; None when nothing more comes. Raises Malformed for one of more bytes."""
        await self._turn()
        while True:
            message = varint.unframed(self._in, most)
            if message is not None:
                self._tell_taken()
                return message
            if self._ended:
                if self._in:
                    raise Malformed("cut off")
                return None
            await self._wait()

    async def write(self, data: bytes) -> None:
        """Returns once all of it is on its way."""
        rest = memoryview(data)
        while rest:
            await self.connection.drained()
            if self._gone:
                raise StreamGone
            sent = self.connection.send(self.number, rest)
            rest = rest[sent:]
            if rest and not sent:
                await self._wait()

    async def negotiate(self, negotiation: Negotiation) -> str:
        """Speak multistream-select. Returns the protocol; raises Malformed."""
        while True:
            if negotiation.out:
                said = bytes(negotiation.out)
                negotiation.out.clear()
                await self.write(said)
            if negotiation.chosen is not None:
                self._in[:0] = negotiation.rest
                return negotiation.chosen
            negotiation.receive(await self._more())

    def end(self) -> None:
        """Nothing more is written."""
        self.connection.end(self.number)

    def reset(self) -> None:
        """It is over, both ways."""
        self.gone()
        self.connection.reset(self.number)

    # ---- what the connection says ----

    def came(self, data: bytes) -> None:
        """These bytes."""
        self._in += data
        self._untold += len(data)
        self._stir()

    def ended(self) -> None:
        """The other side writes no more."""
        self._ended = True
        self._stir()

    def gone(self) -> None:
        """It is reset."""
        self._gone = True
        self._stir()

    def room(self) -> None:
        """More may be written."""
        self._stir()

    async def _more(self) -> bytes:
        while not self._in:
            if self._ended:
                raise Malformed("cut off")
            await self._wait()
        data = bytes(self._in)
        self._in.clear()
        return data

    def _tell_taken(self) -> None:
        self.connection.taken(self.number, self._untold - len(self._in))
        self._untold = len(self._in)

    def _stir(self) -> None:
        """Whoever waits goes on when the connection has its turn."""
        if not self._stirred:
            self._stirred = True
            self.connection.in_turn(self._wake)

    def _wake(self) -> bool:
        self._stirred = False
        self._changed.set()
        return False

    async def _turn(self) -> None:
        """To take what is there already; what comes later wakes up in turn."""
        if self._in:
            await self.connection.turn()
            if self._gone:
                raise StreamGone

    async def _wait(self) -> None:
        if self._gone:
            raise StreamGone
        self._changed.clear()
        await self._changed.wait()
        if self._gone:
            raise StreamGone
