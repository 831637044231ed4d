"""What an announcement says, and who can tell whose it is. Pure.

    instance  NONCE._llp._udp.local.            no name of a host, a node or a network
    TXT       v=1  n=NONCE  t=TAG  p=udp:8443,tcp:8443

The tag is an HMAC over the nonce, with the node's public identity as its key. Whoever knows that identity recognises the node;
anybody else sees two random numbers, which are others on each network and after each start.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

SERVICE: Final = "_llp._udp.local."
VERSION: Final = "1"
SCHEMES: Final = ("udp", "tcp")
"""Transports whose endpoint is an address and a port."""
NONCE_BYTES, TAG_BYTES = 8, 16
LABEL: Final = b"LLP1 mdns"
MOST_PORTS: Final = 4
MOST_TEXT: Final = 64
"""Characters of one value; an honest one has less than half of that."""


class Announcement(NamedTuple):
    """What a node says of itself."""

    nonce: bytes
    tag: bytes
    ports: tuple[tuple[str, int], ...]
    """(scheme, port), best first."""


def tag(identity: str, nonce: bytes) -> bytes:
    """What only those can make, and recognise, who know `identity`."""
    return hmac.digest(identity.encode(), LABEL + nonce, sha256)[:TAG_BYTES]


def announced(identity: str, nonce: bytes, ports: Sequence[tuple[str, int]]) -> Announcement:
    """The announcement of the node with `identity`."""
    return Announcement(nonce, tag(identity, nonce), tuple(ports)[:MOST_PORTS])


def properties(announcement: Announcement) -> dict[str, str]:
    """Its TXT record."""
    ports = ",".join(f"{scheme}:{port}" for scheme, port in announcement.ports)
    return {"v": VERSION, "n": announcement.nonce.hex(), "t": announcement.tag.hex(), "p": ports}


def read(found: Mapping[bytes, bytes | None]) -> Announcement:
    """The announcement in a TXT record that anybody may have written. Raises ValueError if there is none."""
    values = {key: _text(found.get(key.encode())) for key in "vntp"}
    if values["v"] != VERSION:
        raise ValueError("another version")
    nonce, seal = bytes.fromhex(values["n"]), bytes.fromhex(values["t"])
    ports = tuple(_port(word) for word in values["p"].split(","))
    if (len(nonce), len(seal)) != (NONCE_BYTES, TAG_BYTES) or len(ports) > MOST_PORTS:
        raise ValueError("too much, or too little")
    return Announcement(nonce, seal, ports)


def _text(value: bytes | None) -> str:
    if value is None or len(value) > MOST_TEXT:
        raise ValueError("a value is missing, or too long")
    return value.decode("ascii")


def _port(word: str) -> tuple[str, int]:
    scheme, _, number = word.partition(":")
    if scheme not in SCHEMES or not number.isdecimal() or not 0 < int(number) < 65536:
        raise ValueError("no port of a transport that is known here")
    return scheme, int(number)
