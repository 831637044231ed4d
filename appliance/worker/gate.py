"""Which handshake packets reach the control process: judged where they come in, so that a flood ends here.

    hello, first piece ─▶ cookies are needed and it has no good one? it is sent one, and nothing is kept
    hello, later piece ─▶ cookies are needed? only behind a first piece that passed with one
    finish, answer     ─▶ cookies are needed, and many share the socket? only from where the control process sent something
    what passed        ─▶ within the budget of its prefix, and of all? ─▶ up

Cookies are needed while hellos without one come too fast, while more comes than half of the budget, and while the control process
says so. It checks each cookie again, so nobody gains anything by taking this process over. On streams only the budget
counts: who made a connection has shown that it receives there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import PeerFault
from appliance.protocol.admission import PrefixRates, Strain, TokenBucket
from appliance.protocol.cookies import Cookies, cookie_reply
from appliance.wire import hello
from appliance.wire.envelope import FLAG_NO_SESSION, HEADER, HEADER_BYTES, PacketType

if TYPE_CHECKING:
    from appliance.api.transport import Driver, SocketAddress

PACKETS: Final = 24
"""Handshake packets that one handshake may take. It has 3 pieces of hello and 6 of finish in large datagrams, 6 and 14 in the
smallest; the rest is for repetitions."""
HINTS_PER_SECOND: Final = 50
"""Words about lost sessions, which anybody can write; as many as the control process looks up."""
MOST_REMEMBERED: Final = 4096
"""Addresses that the control process spoke to, and hellos that came with a cookie: it answers a few hundred a second, for five
seconds each."""
NOWHERE: Final = ("", 0)
"""The far end of a connected link that is not known."""


class Gate:
    """The gate of one worker; links go by number. `drop(reason)` counts. Until `configure` was called everything passes."""

    def __init__(self, drop: Callable[[str], None]) -> None:
        self._drop = drop
        self._cookies: Cookies | None = None
        self._wanted = False
        self._remotes: dict[int, SocketAddress] = {}
        self._spoken_to: dict[tuple[int, SocketAddress], None] = {}
        self._begun: dict[tuple[int, SocketAddress | None, int], None] = {}

    def configure(self, secret: bytes, handshakes_per_second: int, now: float) -> None:
        """Make and check cookies with `secret`, as the control process does, and let pass what so many handshakes take."""
        rate = max(1, handshakes_per_second)
        self._cookies = Cookies(secret)
        self._without = Strain(rate / 2, now)
        self._coming = Strain(rate * PACKETS / 2, now)
        self._all = TokenBucket(rate * PACKETS, rate * PACKETS, now)
        self._prefixes = PrefixRates(rate * PACKETS)
        self._hints = TokenBucket(HINTS_PER_SECOND, HINTS_PER_SECOND, now)

    def want_cookies(self, wanted: bool) -> None:
        """The control process has, or no longer has, many handshakes to finish."""
        self._wanted = wanted

    def add(self, number: int, remote: SocketAddress) -> None:
        """A link with one far end."""
        self._remotes[number] = remote

    def forget(self, number: int) -> None:
        """A link is gone. Numbers are not used twice."""
        self._remotes.pop(number, None)

    def spoke(self, number: int, to: SocketAddress | None) -> None:
        """The control process sends a handshake packet there: it wants to hear what comes back."""
        if to is not None:
            _remember(self._spoken_to, (number, to))

    def passes(self, number: int, link: Driver, source: SocketAddress | None, packet: bytes, now: float) -> bool:
        """Is this packet to go up? A hello without a cookie that needs one is answered here."""
        if self._cookies is None:
            return True
        _, kind, flags, stream, sequence, _, _, _ = HEADER.unpack_from(packet)
        address = source or self._remotes.get(number, NOWHERE)
        if not link.fragment_flags:
            fits = True
        elif kind == PacketType.HANDSHAKE_INIT and not stream >> 8:
            fits = self._hello(self._cookies, (number, source, sequence >> 8), sequence & 0xFF, link, address, packet, now)
        elif flags & FLAG_NO_SESSION:
            fits = self._hints.take(now)
        else:
            fits = source is None or (number, source) in self._spoken_to or not self._needed(now)
        self._coming.note(now)
        if not fits:
            self._drop("uninvited")
            return False
        if self._prefixes.take(address[0], now) and self._all.take(now):
            return True
        self._drop("control_busy")
        return False

    def _hello(
        self,
        cookies: Cookies,
        message: tuple[int, SocketAddress | None, int],
        piece: int,
        link: Driver,
        address: SocketAddress,
        packet: bytes,
        now: float,
    ) -> bool:
        if piece:
            return message in self._begun or not self._needed(now)
        try:
            opening = hello.peek_client_hello(packet[HEADER_BYTES:])
        except PeerFault:  # to be counted by who counts such
            return not self._needed(now)
        if opening.cookie and cookies.check(opening.cookie, address, now):
            _remember(self._begun, message)
            return True
        self._without.note(now)
        if not self._needed(now):
            return True
        reply = cookie_reply(opening, cookies.make(address, now), len(packet), now)
        if reply is not None:
            link.send_packet(reply, message[1])
        return False

    def _needed(self, now: float) -> bool:
        return self._wanted or self._without.lasts(now) or self._coming.lasts(now)


def _remember(table: dict[Any, None], key: object) -> None:
    """Put a key last, as the newest. When the table is full, the oldest goes."""
    table.pop(key, None)
    table[key] = None
    if len(table) > MOST_REMEMBERED:
        del table[next(iter(table))]
