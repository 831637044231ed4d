"""Streams that peers open to this node: who calls, what is wanted, may that be. Only then is the stream an application's.

    accepted ─ whose address? ─ room? ─ preface, in 5 s ─ form ─ service? ─ may it? ─ answered ─ handed over

Whatever is wrong with a caller is counted by reason; what it says goes no further than here.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Final

from appliance.control.handing import Handed
from appliance.errors import PeerFault
from appliance.foundation.tasks import Tasks
from appliance.runtime.streams.callers import Caller, caller_at
from appliance.runtime.streams.traced import Step, Trace, step, untraced
from appliance.wire.stream_preface import HEAD_BYTES, StreamRefusal, Wanted, encode_answer, length_of, read_wanted

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.served import Served
    from appliance.runtime.streams.sockets import Source

PREFACE_SECONDS: Final = 5.0
"""How long a caller may take to say what it wants."""
MOST_CALLING: Final = 512
MOST_OF_A_PEER: Final = 64
"""Callers that have not yet said what they want."""

Judge = Callable[[Caller, str], str]
"""May (caller) have (service)? "" if it may, else the reason, which is counted and not told to the caller."""


async def read_exactly(stream: socket.socket, size: int) -> bytes:
    """So many bytes and none more. Raises EOFError, OSError."""
    loop, found = asyncio.get_running_loop(), bytearray()
    while len(found) < size:
        piece = await loop.sock_recv(stream, size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


class Incoming:
    """Takes callers at the door. `services` has what is served now, by name; `counted` counts streams that were "given", and
    callers that were not let in, by reason."""

    def __init__(
        self,
        table: PeerTable,
        own: Callable[[], Sequence[Address]],
        services: Mapping[str, Served],
        judge: Callable[[], Judge],
        counted: Counter[str],
        trace: Trace = untraced,
    ) -> None:
        self._table = table
        self._own = own
        self._services = services
        self._judge = judge
        self._tasks = Tasks()
        self._calling: Counter[str] = Counter()
        self._counted = counted
        self._trace = trace

    def take(self, stream: socket.socket, source: Source) -> None:
        """Somebody has connected from there."""
        caller = caller_at(source, self._table, self._own())
        reason = "unknown-address" if caller is None else self._full(caller)
        if caller is None or reason:
            self._counted[reason] += 1
            stream.close()
            return
        self._calling[caller.peer] += 1
        self._tasks.spawn(self._hear(stream, caller, source), "a caller of a stream")

    async def close(self) -> None:
        """Turn away those who have not yet said what they want."""
        await self._tasks.close()

    def _full(self, caller: Caller) -> str:
        if self._calling[caller.peer] >= MOST_OF_A_PEER:
            return "peer-busy"
        return "busy" if self._calling.total() >= MOST_CALLING else ""

    async def _hear(self, stream: socket.socket, caller: Caller, source: Source) -> None:
        given = False
        try:
            async with asyncio.timeout(PREFACE_SECONDS):
                wanted = read_wanted(await read_exactly(stream, length_of(await read_exactly(stream, HEAD_BYTES))))
                given = await self._answer(stream, caller, source, wanted)
        except PeerFault:
            self._counted[StreamRefusal.MALFORMED] += 1
            with suppress(OSError):
                stream.send(encode_answer(StreamRefusal.MALFORMED))
        except TimeoutError:
            self._counted["silent"] += 1
        except (OSError, EOFError):
            self._counted["gone"] += 1
        finally:
            self._calling[caller.peer] -= 1
            if not self._calling[caller.peer]:
                del self._calling[caller.peer]
            if not given:
                stream.close()

    async def _answer(self, stream: socket.socket, caller: Caller, source: Source, wanted: Wanted) -> bool:
        """True if it is an application's now."""
        with coming_in(self._trace, caller, wanted) as (passed_on, begun):
            reason = await self._judged(stream, caller, source, passed_on)
            if begun is not None:
                begun.error = reason
        self._counted[reason or "given"] += 1
        return not reason

    async def _judged(self, stream: socket.socket, caller: Caller, source: Source, wanted: Wanted) -> str:
        """Returns "" if it is an application's now, else why not."""
        refused, reason = refusal_of(caller, wanted, self._judge(), self._services)
        await asyncio.get_running_loop().sock_sendall(stream, encode_answer(refused))
        if refused is not None:
            return reason
        served = self._services.get(wanted.service)
        if served is None:  # it has ended meanwhile; the caller sees the stream end
            return "gone"
        served.put(Handed(said_of(caller, source, wanted), (stream,)))
        return ""


def refusal_of(caller: Caller, wanted: Wanted, judge: Judge, services: Mapping[str, Served]) -> tuple[StreamRefusal | None, str]:
    """What the caller is told, and what is counted. Who may not have a service is not told whether there is one."""
    denied = judge(caller, wanted.service)
    if denied:
        return StreamRefusal.NOT_ALLOWED, denied
    served = services.get(wanted.service)
    if served is None:
        return StreamRefusal.NO_SUCH_SERVICE, StreamRefusal.NO_SUCH_SERVICE
    if served.full:
        return StreamRefusal.BUSY, "service-busy"
    return None, ""


def coming_in(trace: Trace, caller: Caller, wanted: Wanted) -> AbstractContextManager[tuple[Wanted, Step | None]]:
    """The step that judging a caller is."""
    return step(trace, "server", f"serve {wanted.service}", wanted, {"appliance.peer": caller.peer})


def said_of(caller: Caller, source: Source, wanted: Wanted) -> dict[str, object]:
    """What the application is told of a stream."""
    return {
        "service": wanted.service,
        "peer": caller.peer,
        "identity": caller.identity,
        "behind": caller.behind,
        "address": str(source[0]),
        "port": source[1],
        "metadata": dict(wanted.metadata),
        "traceparent": wanted.traceparent,
    }
