"""Datagrams that peers send to services of this node: who calls, what is wanted, may that be; then a socket for that caller.

    heard ─ whose address? ─ room? ─ form ─ service? ─ may it? ─ answered, by a socket of its own ─ first datagram ─ handed over

The socket waits here for the first datagram that is no question, which shows that the caller has its answer. Until then a
question that comes again is answered again, so an answer may be lost.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from appliance.control.handing import Handed
from appliance.errors import PeerFault
from appliance.runtime.streams.callers import Caller, caller_at
from appliance.runtime.streams.incoming import Judge, coming_in, refusal_of, said_of
from appliance.runtime.streams.traced import Trace, untraced
from appliance.wire.stream_preface import StreamRefusal, Wanted, encode_answer, unframed_wanted

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.served import Served
    from appliance.runtime.streams.sockets import Hearing, OverlaySockets, Source

FIRST_SECONDS: Final = 30.0
"""How long a caller may take to send its first datagram."""
MOST_WAITING: Final = 256
MOST_OF_A_PEER: Final = 32
"""Callers that have their answer and have sent nothing yet."""


class IncomingDatagrams:
    """Judges callers at `port`. `services` has what is served now by datagrams, by name."""

    def __init__(
        self,
        sockets: OverlaySockets,
        port: int,
        table: PeerTable,
        own: Callable[[], Sequence[Address]],
        services: Mapping[str, Served],
        judge: Callable[[], Judge],
        counted: Counter[str],
        trace: Trace = untraced,
    ) -> None:
        self._sockets = sockets
        self._port = port
        self._table = table
        self._own = own
        self._services = services
        self._judge = judge
        self._counted = counted
        self._trace = trace
        self._waiting: dict[Source, _Waiting] = {}
        self._of_peers: Counter[str] = Counter()
        self._ears: Hearing | None = None

    def open(self) -> None:
        """Hear callers. Raises HostError."""
        self._ears = self._sockets.hear(self._port, self._hear)

    def close(self) -> None:
        """Hear nobody any more; callers that wait are given up."""
        if self._ears is not None:
            self._ears.close()
            self._ears = None
        for waiting in list(self._waiting.values()):
            self._drop(waiting)

    def _hear(self, data: bytes, at: Address, source: Source) -> None:
        caller = caller_at(source, self._table, self._own(), datagrams=True)
        reason = "unknown-address" if caller is None else self._full(caller)
        if caller is None or reason or self._ears is None:
            self._counted[reason] += 1
            return
        try:
            wanted = unframed_wanted(data)
        except PeerFault:
            self._counted[StreamRefusal.MALFORMED] += 1
            return
        if (waiting := self._waiting.get(source)) is not None:  # it came again before the socket for its caller was there
            waiting.answer()
            return
        with coming_in(self._trace, caller, wanted) as (passed_on, begun):
            refused, reason = refusal_of(caller, wanted, self._judge(), self._services)
            if refused is None:
                try:
                    self._wait_for(caller, passed_on, data, self._sockets.answering(at, self._port, source), source)
                except OSError:
                    refused, reason = StreamRefusal.BUSY, "no-socket"
            if begun is not None:
                begun.error = reason
        if refused is not None:
            self._counted[reason] += 1
            self._ears.send(encode_answer(refused), at, source)

    def _full(self, caller: Caller) -> str:
        if self._of_peers[caller.peer] >= MOST_OF_A_PEER:
            return "peer-busy"
        return "busy" if len(self._waiting) >= MOST_WAITING else ""

    def _wait_for(self, caller: Caller, wanted: Wanted, question: bytes, bound: socket.socket, source: Source) -> None:
        waiting = _Waiting(caller, wanted, question, bound, source)
        loop = asyncio.get_running_loop()
        self._waiting[source] = waiting
        self._of_peers[caller.peer] += 1
        loop.add_reader(bound, self._look, waiting)
        waiting.limit = loop.call_later(FIRST_SECONDS, self._give_up, waiting)
        waiting.answer()

    def _look(self, waiting: _Waiting) -> None:
        try:
            first = waiting.bound.recv(len(waiting.question) + 1, socket.MSG_PEEK)
            if first == waiting.question:
                waiting.bound.recv(1)
                waiting.answer()
                return
        except BlockingIOError:
            return
        except OSError:  # the caller is gone: its host says so
            self._give_up(waiting)
            return
        served = self._services.get(waiting.wanted.service)
        if served is None or served.full:
            self._give_up(waiting)
            return
        bound = waiting.bound.dup()
        bound.setblocking(False)  # noqa: FBT003
        self._drop(waiting)
        self._counted["given"] += 1
        served.put(Handed(said_of(waiting.caller, waiting.source, waiting.wanted), (bound,)))

    def _give_up(self, waiting: _Waiting) -> None:
        self._counted["gone"] += 1
        self._drop(waiting)

    def _drop(self, waiting: _Waiting) -> None:
        asyncio.get_running_loop().remove_reader(waiting.bound)
        waiting.bound.close()
        if waiting.limit is not None:
            waiting.limit.cancel()
        del self._waiting[waiting.source]
        self._of_peers[waiting.caller.peer] -= 1
        if not self._of_peers[waiting.caller.peer]:
            del self._of_peers[waiting.caller.peer]


class _Waiting:
    """A caller that has its answer."""

    def __init__(self, caller: Caller, wanted: Wanted, question: bytes, bound: socket.socket, source: Source) -> None:
        self.caller = caller
        self.wanted = wanted
        self.question = question
        self.bound = bound
        self.source = source
        self.limit: asyncio.TimerHandle | None = None

    def answer(self) -> None:
        with suppress(OSError):
            self.bound.send(encode_answer(None))
