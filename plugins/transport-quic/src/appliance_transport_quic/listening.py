"""Whose packet is it? And what becomes of those of strangers: version negotiation, Retry under load, and bounds. Knows no socket.

unknown version       the versions that we speak (RFC 9000, section 6)
Initial, calm         a connection, which sends three times what came until the address is proved (section 8.1)
Initial, under load   Retry: the caller proves its address before anything is kept or computed for it (section 8.1.2)
all else              nothing, but it is counted
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from qh3.quic.packet import encode_quic_retry, encode_quic_version_negotiation

from appliance.api.zones import numbered
from appliance_transport_quic.connection import Connection
from appliance_transport_quic.headers import ID_BYTES, LEAST_INITIAL, VERSION_1, Long, destination_of, read_long
from appliance_transport_quic.link import Link
from appliance_transport_quic.tokens import Tokens

if TYPE_CHECKING:
    from qh3.quic.configuration import QuicConfiguration

    from appliance.api.transport import SocketAddress
    from appliance_transport_quic.outside import Came, Outside

RETRY_FROM: Final = 32
"""Handshakes under way from which on callers have to prove their address. In calm times none is under way for longer than a round
trip."""
MOST_HANDSHAKES: Final = 256
MOST_STRANGERS: Final = 1024
"""Connections that LLP has not made links of: no more come then."""
MOST_OF_ONE: Final = 64
"""Of those, from one IPv4 address or IPv6 /64."""
MOST_LINKS: Final = 4096


class Listening:
    """The connections of one socket that is called."""

    def __init__(
        self, configuration: QuicConfiguration, outside: Outside, counted: Counter[str], random: Callable[[int], bytes]
    ) -> None:
        """`random(n)`: n random bytes."""
        self._configuration = configuration
        self._outside = outside
        self._counted = counted
        self._random = random
        self._tokens = Tokens(random(32))
        self._by_id: dict[bytes, Link] = {}
        self._ids: dict[Link, set[bytes]] = {}
        self._firsts: dict[Link, bytes] = {}
        """The connection ID that the caller made up. It stays, so that a copy of its first packet begins no second connection."""
        self.by_remote: dict[SocketAddress, Link] = {}
        """By the far end's address; the newest, where there are two."""
        self._handshakes: set[Link] = set()
        self._strangers: Counter[str] = Counter()
        self._places: dict[Link, str] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter([*self._ids])

    def take(self, came: Came, now: float) -> set[Link]:
        """Packets came. The links that have something new."""
        touched: set[Link] = set()
        data, segment = came.data, came.segment
        at, end = 0, len(data)
        while at < end:
            packet = data[at : at + segment]
            link = self._by_id.get(destination_of(packet)) or self._stranger(packet, came, now)
            following = at + segment
            if link is not None:
                key = data[at + 1 : at + 1 + ID_BYTES]  # of short headers; a train of one connection stays one
                while following < end and data[following] < 0x80 and data[following + 1 : following + 1 + ID_BYTES] == key:
                    following += segment
                link.spoken_to = came.spoken_to
                link.connection.receive(data[at:following], segment, came.source, now)
                touched.add(link)
            at = following
        return touched

    def settle(self, link: Link) -> None:
        """Its connection IDs may have changed, and it may be established."""
        known = self._ids.get(link)
        if known is None:
            return
        ids = link.connection.ids | {self._firsts[link]}
        for new in ids - known:
            self._by_id[new] = link
        for gone in known - ids:
            self._by_id.pop(gone, None)
        self._ids[link] = ids
        if link.connection.established:
            self._handshakes.discard(link)

    def has_pair(self, link: Link) -> None:
        """LLP has made a link of it, so it is no stranger any more."""
        place = self._places.pop(link, None)
        if place is not None:
            self._strangers[place] -= 1
            if not self._strangers[place]:
                del self._strangers[place]

    def lost_pair(self, link: Link) -> None:
        """It is a stranger again."""
        if link in self._ids and link not in self._places:
            place = _place_of(link.remote)
            self._places[link] = place
            self._strangers[place] += 1

    def forget(self, link: Link) -> None:
        """It is over."""
        for each in self._ids.pop(link, ()):
            self._by_id.pop(each, None)
        self._handshakes.discard(link)
        self._firsts.pop(link, None)
        self.has_pair(link)
        if self.by_remote.get(link.remote) is link:
            del self.by_remote[link.remote]

    def _stranger(self, packet: bytes, came: Came, now: float) -> Link | None:
        header = read_long(packet)
        if header is None or len(packet) < LEAST_INITIAL:
            self._counted["unknown"] += 1
            return None
        if header.version != VERSION_1:
            self._negotiate(header, came)
            return None
        if not header.initial or len(header.destination) < ID_BYTES:
            self._counted["unknown"] += 1
            return None
        source = numbered(came.source)
        original, retried = header.destination, None
        if header.token:
            judged = self._tokens.judge(header.token, source, now)
            if judged is None:
                self._counted["token"] += 1
                return None
            original, retried = judged
        elif len(self._handshakes) >= RETRY_FROM:
            self._retry(header, came, source, now)
            return None
        return self._begin(header, came, source, original, retried, now)

    def _begin(
        self, header: Long, came: Came, source: SocketAddress, original: bytes, retried: bytes | None, now: float
    ) -> Link | None:
        place = _place_of(source)
        full = len(self._handshakes) >= MOST_HANDSHAKES or len(self._ids) >= MOST_LINKS
        if full or len(self._places) >= MOST_STRANGERS or self._strangers[place] >= MOST_OF_ONE:
            self._counted["full" if full or self._strangers[place] < MOST_OF_ONE else "crowd"] += 1
            return None
        link = Link(Connection(self._configuration, original, retried), self._outside, came.source, now, self._counted)
        self._ids[link] = set()
        self._firsts[link] = header.destination
        self._places[link] = place
        self._strangers[place] += 1
        self._handshakes.add(link)
        self.by_remote[link.remote] = link
        self.settle(link)
        return link

    def _negotiate(self, header: Long, came: Came) -> None:
        if header.version == 0:  # a negotiation is not answered by one
            self._counted["unknown"] += 1
            return
        self._counted["version"] += 1
        answer = encode_quic_version_negotiation(
            source_cid=header.destination, destination_cid=header.source, supported_versions=[VERSION_1]
        )
        self._outside.send([(answer, came.source)], came.spoken_to)

    def _retry(self, header: Long, came: Came, source: SocketAddress, now: float) -> None:
        self._counted["retry"] += 1
        new = self._random(ID_BYTES)
        answer = encode_quic_retry(
            version=header.version,
            source_cid=new,
            destination_cid=header.source,
            original_destination_cid=header.destination,
            retry_token=self._tokens.make(source, header.destination, new, now),
        )
        self._outside.send([(answer, came.source)], came.spoken_to)


def _place_of(source: SocketAddress) -> str:
    """What the bound of strangers counts for: an IPv4 address, or an IPv6 network of 64 bits."""
    host = source[0].partition("%")[0]
    return str(ipaddress.ip_network(f"{host}/64", strict=False)) if ":" in host else host
