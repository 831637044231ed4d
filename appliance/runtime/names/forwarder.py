"""Passes a question on to name servers outside, as it is, and checks that what comes back answers it (RFC 5625).

Each question has a socket and a number of its own, both drawn at random, so that somebody who only guesses has one chance in
four thousand million. By TCP it is asked if it came by TCP: an answer that does not fit a datagram says so, and the asker comes
again.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from appliance.api.zones import to_kernel
from appliance.foundation import entropy
from appliance.foundation.readable import readable
from appliance.runtime.names.sockets import PORT
from appliance.wire.dns_service import LEAST_UDP_BYTES, Code, Question, answers, code_of, cut, with_number

TRY_SECONDS: Final = 1.5
"""How long one server may take: usual resolvers wait five seconds for us, so that two or three get their turn."""
ALL_SECONDS: Final = 4.5
ROUNDS: Final = 2
MOST_IN_FLIGHT: Final = 256
"""Questions under way at a time. Each has a socket."""
MOST_BYTES: Final = 65_535
NEXT: Final = frozenset({Code.SERVER_FAILURE, Code.REFUSED, Code.NOT_IMPLEMENTED})
"""Answers after which another server may know more."""


class Forwarder:
    """`servers()` gives those to ask, best first. `counted` counts what became of questions."""

    def __init__(self, servers: Callable[[], Sequence[str]], counted: Counter[str]) -> None:
        self.servers = servers
        self._counted = counted
        self._in_flight = 0
        self._good = ""

    def use(self, servers: Callable[[], Sequence[str]]) -> None:
        """Others are to be asked from now on."""
        self.servers, self._good = servers, ""

    @property
    def full(self) -> bool:
        """Are as many questions under way as there may be?"""
        return self._in_flight >= MOST_IN_FLIGHT

    async def ask(self, message: bytes, asked: Question, *, tcp: bool, port: int = PORT) -> bytes | None:
        """What the servers answer to `message`, under its own number; None if none does in time."""
        self._in_flight += 1
        try:
            async with asyncio.timeout(ALL_SECONDS):
                return await self._ask_all(message, asked, tcp=tcp, port=port)
        except TimeoutError:
            return None
        finally:
            self._in_flight -= 1

    async def _ask_all(self, message: bytes, asked: Question, *, tcp: bool, port: int) -> bytes | None:
        last = None
        for _ in range(ROUNDS):
            for server in sorted(self.servers(), key=lambda one: one != self._good):
                fresh = with_number(message, int.from_bytes(entropy.random_bytes(2), "big"))
                found = None
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(TRY_SECONDS):
                        found = await (_by_tcp if tcp else _by_udp)(server, port, fresh, asked)
                if found is None:
                    self._counted["server-silent"] += 1
                    continue
                last = with_number(found, asked.number)
                if code_of(found) not in NEXT:
                    self._good = server
                    return last if tcp or len(last) <= max(asked.room, LEAST_UDP_BYTES) else cut(last, asked.section)
            if last is not None:
                return last
        return None


async def _by_udp(server: str, port: int, message: bytes, asked: Question) -> bytes:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as asking:
        asking.connect(to_kernel(server, port))
        asking.send(message)
        while True:
            await readable(asking.fileno())
            with suppress(BlockingIOError):
                found = asking.recv(MOST_BYTES)
                if answers(found, message, asked.section):
                    return found


async def _by_tcp(server: str, port: int, message: bytes, asked: Question) -> bytes | None:
    host, *_ = to_kernel(server, port)
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        found = await reader.readexactly(length)
        return found if answers(found, message, asked.section) else None
    finally:
        writer.close()
