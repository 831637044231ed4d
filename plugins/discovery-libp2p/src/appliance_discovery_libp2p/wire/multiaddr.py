"""Multiaddresses, as far as TCP goes: `/ip4/198.51.100.7/tcp/4001/p2p/12D3KooW…`, also with `ip6`, `dns`, `dns4` and `dns6`.

    address = (varint code, value)…    ip4 4: 4 bytes, ip6 41: 16, dns 53 to 55: length and name, tcp 6: 2, p2p 421: length and id

Whoever has others as well (QUIC, WebSocket, relays) sends them along; they are none for us.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

from appliance_discovery_libp2p.wire import varint
from appliance_discovery_libp2p.wire.keys import LONGEST_ID, id_text, is_id, read_id
from appliance_discovery_libp2p.wire.malformed import Malformed

IP4, TCP, IP6, DNS, DNS4, DNS6, P2P = 4, 6, 41, 53, 54, 55, 421
NAMES: Final = {"dns": DNS, "dns4": DNS4, "dns6": DNS6}
LONGEST: Final = 300
"""Bytes: a DNS name, a port and a peer id."""
LONGEST_NAME: Final = 253


class Multiaddr(NamedTuple):
    """Where a peer can be called over TCP."""

    host: str
    """An address literal, or a DNS name."""
    port: int
    peer: bytes | None = None
    """Who is there, if the address says so."""
    kind: str = ""
    """"dns", "dns4" or "dns6" for a name."""

    def __str__(self) -> str:
        kind = self.kind or f"ip{ipaddress.ip_address(self.host).version}"
        return f"/{kind}/{self.host}/tcp/{self.port}" + (f"/p2p/{id_text(self.peer)}" if self.peer else "")


def parse(text: str) -> Multiaddr:
    """The address of a text. Raises ValueError with a sentence for the admin."""
    wrong = f"{text[:80]!r} is no address of libp2p over TCP: write for example /ip4/198.51.100.7/tcp/4001/p2p/12D3KooW…"
    words = text.split("/")
    if len(words) not in {5, 7} or words[0] or words[3] != "tcp" or (len(words) == 7 and words[5] != "p2p"):
        raise ValueError(wrong)
    kind, host, port = words[1], words[2], words[4]
    try:
        if kind in NAMES:
            good = 0 < len(host) <= LONGEST_NAME and host.isascii() and host.isprintable()
        else:
            good = f"ip{ipaddress.ip_address(host).version}" == kind
        peer = read_id(words[6]) if len(words) == 7 else None
    except ValueError as error:
        raise ValueError(wrong) from error
    if not good or not port.isdecimal() or not int(port[:6]) <= 65535:
        raise ValueError(wrong)
    return Multiaddr(host, int(port), peer, kind if kind in NAMES else "")


def write(address: Multiaddr) -> bytes:
    """Its bytes."""
    if address.kind:
        name = address.host.encode()
        where = varint.encode(NAMES[address.kind]) + varint.framed(name)
    else:
        literal = ipaddress.ip_address(address.host)
        where = varint.encode(IP4 if literal.version == 4 else IP6) + literal.packed
    written = where + varint.encode(TCP) + address.port.to_bytes(2, "big")
    return written + (varint.encode(P2P) + varint.framed(address.peer) if address.peer else b"")


def read(data: bytes) -> Multiaddr | None:
    """The address in bytes that a peer sent; None if it is none over TCP, or nonsense."""
    try:
        return _read(data)
    except ValueError:
        return None


def _read(data: bytes) -> Multiaddr | None:
    if len(data) > LONGEST:
        return None
    code, at = _number(data, 0)
    kind = ""
    if code in {IP4, IP6}:
        size = 4 if code == IP4 else 16
        host = str(ipaddress.ip_address(_exactly(data, at, size)))
        at += size
    elif code in NAMES.values():
        length, at = _number(data, at)
        host = _exactly(data, at, length).decode("ascii")
        kind = next(name for name, known in NAMES.items() if known == code)
        at += length
        if not host or len(host) > LONGEST_NAME or not host.isprintable() or "/" in host:
            return None
    else:
        return None
    code, at = _number(data, at)
    if code != TCP:
        return None
    port = int.from_bytes(_exactly(data, at, 2), "big")
    return Multiaddr(host, port, _peer(data, at + 2), kind) if port else None


def _peer(data: bytes, at: int) -> bytes | None:
    if at == len(data):
        return None
    code, at = _number(data, at)
    length, at = _number(data, at)
    peer = data[at:]
    if code != P2P or length != len(peer) or len(peer) > LONGEST_ID or not is_id(peer):
        raise Malformed("address")
    return peer


def _number(data: bytes, at: int) -> tuple[int, int]:
    found = varint.decode(data, at)
    if found is None:
        raise Malformed("address")
    return found


def _exactly(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise Malformed("address")
    return data[at : at + size]
