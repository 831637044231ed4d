"""Answers questions for names, by UDP and TCP: those of the network from the zone, all others by asking elsewhere.

    read ─ rate ─ form ─ the zone knows: answer at once
                       └ it is not its name: pass it on (this host's questions only) ─ answer

Who asks is told by the source address. This host's programs ask from the address that they ask at, which no peer may have as a
source; everybody else is a peer, since the sockets hear the overlay's device only.

Whoever asks may be hostile: what is read, kept and under way is bounded, and what is left out is counted by reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any, Final

from appliance.errors import PeerFault
from appliance.foundation import clock
from appliance.foundation.tasks import Tasks
from appliance.protocol.admission import TokenBucket
from appliance.runtime.names.forwarder import Forwarder
from appliance.runtime.names.sockets import Bound
from appliance.runtime.names.zone import Zone
from appliance.wire.dns_service import Code, Question, answer, read_question

MOST_BYTES: Final = 4096
"""Of a question; an ordinary one has less than 300."""
TCP_ROOM: Final = 65_535
BUDGET: Final = 32
"""Questions that are read in one turn of the loop."""
RATE, PEERS_RATE = 1000.0, 200.0
"""Questions a second, and at once, of this host and of all peers. Chosen: an answer takes 50 µs, so a program gone wild has a
twentieth of the loop."""
MOST_CONNECTIONS, PEERS_CONNECTIONS = 32, 8
IDLE_SECONDS: Final = 10.0
"""A connection without a question for so long is closed (RFC 7766, section 6.2.3)."""


class NameServer:
    """Answers at one address. `peers`: do peers get answers, about names of the zone?"""

    def __init__(self, bound: Bound, zone: Zone, forwarder: Forwarder, counted: Counter[str]) -> None:
        self.zone = zone
        self.peers = False
        self._own = str(bound.udp.getsockname()[0])
        self._bound = bound
        self._forwarder = forwarder
        self._counted = counted
        now = clock.monotonic()
        self._bucket, self._peers_bucket = TokenBucket(RATE, RATE, now), TokenBucket(PEERS_RATE, PEERS_RATE, now)
        self._tasks = Tasks()
        self._connections: Counter[bool] = Counter()
        """Of this host (True), and of peers."""
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Answer from now on."""
        asyncio.get_running_loop().add_reader(self._bound.udp.fileno(), self._read)
        self._listening = await asyncio.start_server(self._serve, sock=self._bound.tcp, limit=MOST_BYTES)

    def attach(self, device: str) -> None:
        """As `Bound.attach`."""
        self._bound.attach(device)

    async def close(self) -> None:
        """Answer no more, and give the port back."""
        asyncio.get_running_loop().remove_reader(self._bound.udp.fileno())
        if self._listening is not None:
            self._listening.close()
        await self._tasks.close()
        self._bound.close()

    # ---- UDP ----

    def _read(self) -> None:
        for _ in range(BUDGET):
            try:
                message, source = self._bound.udp.recvfrom(MOST_BYTES)
            except OSError:  # nothing more, or a report that an earlier asker has gone
                return
            asked = self._admitted(message, source)
            if asked is None:
                continue
            said = self._at_once(asked, asked.room, source)
            if said is not None:
                self._send(said, source)
            elif self._passes_on():
                self._tasks.spawn(self._forward(message, asked, source), "look up a name elsewhere")

    async def _forward(self, message: bytes, asked: Question, source: Any) -> None:
        self._send(await self._elsewhere(message, asked, tcp=False), source)

    def _send(self, said: bytes, source: Any) -> None:
        with suppress(OSError):  # the asker has gone, or its queue is full: it asks again
            self._bound.udp.sendto(said, source)

    # ---- TCP ----

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = writer.get_extra_info("peername")[0] == self._own
        if reason := self._refuses(own=own):
            self._counted[reason] += 1
            writer.close()
            return
        self._connections[own] += 1
        try:
            await self._tasks.spawn(self._converse(reader, writer), "questions for names by TCP")
        finally:
            self._connections[own] -= 1
            writer.close()

    def _refuses(self, *, own: bool) -> str:
        """Why there may be no such connection now; "" if there may."""
        if not own and not self.peers:
            return "not-for-peers"
        full = self._connections[own] >= (MOST_CONNECTIONS if own else PEERS_CONNECTIONS)
        return "too-many-connections" if full else ""

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    if length > MOST_BYTES:
                        self._counted["malformed"] += 1
                        return
                    message = await reader.readexactly(length)
                asked = self._admitted(message, source)
                if asked is None:
                    return
                said = self._at_once(asked, TCP_ROOM, source)
                if said is None:
                    if not self._passes_on():
                        return
                    said = await self._elsewhere(message, asked, tcp=True)
                writer.write(len(said).to_bytes(2, "big") + said)
                async with asyncio.timeout(IDLE_SECONDS):
                    await writer.drain()

    # ---- both ----

    def _admitted(self, message: bytes, source: Any) -> Question | None:
        """What is asked; None if it gets no answer."""
        own = source[0] == self._own
        if not own and not self.peers:
            self._counted["not-for-peers"] += 1
            return None
        if not (self._bucket if own else self._peers_bucket).take(clock.monotonic()):
            self._counted["rate-limited"] += 1
            return None
        try:
            return read_question(message)
        except PeerFault:
            self._counted["malformed"] += 1
            return None

    def _at_once(self, asked: Question, room: int, source: Any) -> bytes | None:
        """The answer, if nobody else has to be asked for it."""
        if asked.code is not Code.NO_ERROR:
            self._counted["malformed"] += 1
            return answer(asked, asked.code)
        said = self.zone.answer(asked, room)
        if said is not None:
            self._counted["answered"] += 1
        elif source[0] != self._own:
            self._counted["refused"] += 1
            said = answer(asked, Code.REFUSED)
        return said

    def _passes_on(self) -> bool:
        """May one more question go elsewhere? Whoever gets no answer asks again."""
        if self._forwarder.full:
            self._counted["too-many"] += 1
            return False
        return True

    async def _elsewhere(self, message: bytes, asked: Question, *, tcp: bool) -> bytes:
        said = await self._forwarder.ask(message, asked, tcp=tcp)
        self._counted["unanswered" if said is None else "passed-on"] += 1
        return said or answer(asked, Code.SERVER_FAILURE)
