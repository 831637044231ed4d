"""What a peer with a session may send to harm a node: every kind of garbage there is, drawn from a seed."""

from __future__ import annotations

import importlib
import ipaddress
import json
import struct
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from appliance.wire.entries import VNET
from appliance.wire.envelope import CHANNEL_CONTROL, HEADER_BYTES, PacketType, no_session, pack
from appliance.wire.fragments import split
from appliance.worker import zstd

SPOOFED = 0xBAD
"""The sequence of echoes that nobody may answer, since their source is not the sender's."""
FOREIGN_V4 = ("10.64.0.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "8.8.8.8")
FOREIGN_V6 = ("fe80::1", "::", "::1", "ff02::1", "fd00::1", "::ffff:10.64.0.1")
ODD = (0, 1, 2, 3, 16, 19, 20, 40, 48, 255, 1400, 0x7FFF, 0xFFFF)
KILLER = VNET.pack(1, 1, 65535, 48, 20, 16) + bytes.fromhex("45000045000040004006") + bytes(2) + bytes(57)
"""It once ended the worker: segments are to be made of a TCP packet whose header has no length."""


class Sealed(NamedTuple):
    """Goes into a record."""

    kind: int
    channel: int
    body: bytes


Garbage = Sealed | bytes
"""Bytes go out as they are."""


class Hostile:
    """`inside` is the sender's own address in the overlay, `others` those of other peers, `node` the node's. `echo(source)` makes
    an entry that asks the node for an answer to `source`."""

    def __init__(self, seed: int, inside: str, others: list[str], node: str, echo: Callable[[str], bytes]) -> None:
        self._random = Random(seed)
        self._inside = inside
        self._foreign = [*others, *FOREIGN_V4]
        self._node = node
        self._echo = echo
        self._asked = 1
        self._bomb = frame(self._packet(4, 17, bytes(65_000)))
        self._kinds: tuple[Callable[[], Garbage], ...] = (
            self._killer,
            self._offload,
            self._lengths,
            self._spoofed_v4,
            self._spoofed_v6,
            self._compressed,
            self._inflating,
            self._type,
            self._liveness,
            self._control,
            self._talk,
            self._never_ending,
            self._hello,
            self._response,
            self._fragment,
            self._noise,
        )

    def next(self) -> Garbage:
        """One more."""
        return self._random.choice(self._kinds)()

    # ---- entries ----

    def _killer(self) -> Garbage:
        return self._ip(KILLER)

    def _offload(self) -> Garbage:
        odd = self._odd
        header = VNET.pack(
            self._random.choice((0, 1, 2, 7, 255)), self._random.choice((0, 1, 3, 4, 5, 0x81, 255)), odd(), odd(), odd(), odd()
        )
        version = self._random.choice((4, 6))
        packet = self._packet(
            version,
            self._random.choice((1, 6, 17, 58, 255)),
            self._random.randbytes(self._random.choice((0, 1, 19, 20, 60, 1400))),
        )
        return self._ip(header + packet)

    def _lengths(self) -> Garbage:
        return Sealed(
            PacketType.DATA,
            0,
            self._odd().to_bytes(2, "big") + self._random.randbytes(self._random.choice((0, 1, 9, 10, 29, 30, 31, 200))),
        )

    def _spoofed_v4(self) -> Garbage:
        return Sealed(PacketType.DATA, 0, self._echo(self._random.choice(self._foreign)))

    def _spoofed_v6(self) -> Garbage:
        advertisement = bytes((134, 0, 0, 0, 64, 0, 7, 8)) + bytes(8) + bytes((5, 1, 0, 0)) + (1280).to_bytes(4, "big")
        head = struct.pack("!IHBB", 6 << 28, len(advertisement), 58, 255)
        ends = ipaddress.IPv6Address(self._random.choice(FOREIGN_V6)).packed + ipaddress.IPv6Address("ff02::1").packed
        return self._ip(VNET.pack(self._random.choice((0, 1)), 0, 0, 0, self._odd(), self._odd()) + head + ends + advertisement)

    def _compressed(self) -> Garbage:
        frame = b"\x28\xb5\x2f\xfd" + self._random.randbytes(self._random.choice((1, 20, 300)))
        return self._ip(bytes(VNET.size) + frame)

    def _inflating(self) -> Garbage:
        """Little that becomes as much as a record may hold, and more."""
        entry = self._ip(bytes(VNET.size) + self._bomb).body
        return Sealed(PacketType.DATA, 0, entry * self._random.choice((1, 2, 15)))

    def _ip(self, entry: bytes) -> Sealed:
        return Sealed(PacketType.DATA, 0, len(entry).to_bytes(2, "big") + entry)

    def _packet(self, version: int, protocol: int, payload: bytes) -> bytes:
        if version == 6:
            ends = ipaddress.IPv6Address("fd00::2").packed + ipaddress.IPv6Address("fd00::1").packed
            return struct.pack("!IHBB", 6 << 28, self._odd(), protocol, 64) + ends + payload
        ends = ipaddress.IPv4Address(self._inside).packed + ipaddress.IPv4Address(self._node).packed
        first = self._random.choice((0x45, 0x4F, 0x40, 0x46))
        return struct.pack("!BBHHHBBH", first, 0, self._odd(), 0, 0x4000, 64, protocol, 0) + ends + payload

    # ---- other records ----

    def _type(self) -> Garbage:
        return Sealed(self._random.choice((0, 7, 8, 127, 255)), self._random.randrange(256), self._random.randbytes(30))

    def _liveness(self) -> Garbage:
        kind = self._random.choice((PacketType.KEEP_ALIVE, PacketType.ACK))
        return Sealed(
            kind, self._random.choice((0, 1, 255)), self._random.randbytes(self._random.choice((0, 1, 7, 8, 16, 20, 1200)))
        )

    def _control(self) -> Garbage:
        text = self._random.choice(
            (
                b"",
                b"null",
                b"[" * 16_000,
                b"\xff\xfe",
                b'{"kind": 5}',
                b'{"kind": ""}',
                b'{"kind": "' + b"x" * 16_000 + b'"}',
                b'{"kind": "compression", "accepts": {"zstd": 1e999}, "answer": true}',
                b'{"kind": "compression", "answer": ' + b"9" * 5000 + b"}",
            )
        )
        return Sealed(PacketType.DATA, self._random.choice((CHANNEL_CONTROL, 2, 255)), text)

    def _talk(self) -> Garbage:
        """A message of a protocol that the node speaks (examples/plugins): requests that were there before, answers to nothing,
        all sorts of contents and bodies."""
        random = self._random
        head: dict[str, object] = {"kind": random.choice(("question-and-answer.fact", "question-and-answer", "compression"))}
        number = random.choice((1, 2, 3, random.randrange(1, 2**53)))
        answer = {"response": number}
        head |= random.choice(({}, {"request": number}, answer, answer | {"refused": True}, {"request": 0}))
        head["name"] = random.choice(("moon", "", "x" * 4000, None, 7, [[]] * 100, {"a": {"a": {}}}, "\0\ud800", 2**70))
        body = random.choice((b"", b"\0", b"\0" + random.randbytes(30), b"\0" + bytes(12_000), b"}", random.randbytes(30)))
        return Sealed(PacketType.DATA, CHANNEL_CONTROL, json.dumps(head, separators=(",", ":")).encode() + body)

    def _never_ending(self) -> Garbage:
        """A request whose answer nobody waits for: a new one, or the one before once more."""
        if self._random.random() < 0.5:
            self._asked = self._random.randrange(1, 2**53)
        head = {"kind": "question-and-answer.fact", "request": self._asked, "name": "moon"}
        return Sealed(PacketType.DATA, CHANNEL_CONTROL, json.dumps(head).encode())

    # ---- outside of records ----

    def _hello(self) -> Garbage:
        index = self._random.choice((0, 1, 1 << 24, 0xFFFFFFFF))
        body = b"\x01\x00" + index.to_bytes(4, "big") + self._random.randbytes(64) + b"\x06\x20" + self._random.randbytes(1568)
        body = (body + b"\x01\x00\x01\x01\x00\x01").ljust(3136, b"\0")
        stream = self._random.choice((0, 1 << 8, 0xFFFFFF00))
        return self._random.choice(
            split(PacketType.HANDSHAKE_INIT, self._random.choice((0, 0x10, 0x40, 0x80)), stream, 1, 0, body, 1400)
        )

    def _response(self) -> Garbage:
        stream = self._random.randrange(1 << 32)
        if self._random.random() < 0.5:
            return no_session(stream, 0)
        body = self._random.randbytes(self._random.choice((0, 16, 48, 1300)))
        return pack(PacketType.HANDSHAKE_RESPONSE, self._random.choice((0, 0x10, 0x40)), stream, 0, 0, len(body)) + body

    def _fragment(self) -> Garbage:
        body = self._random.randbytes(self._random.choice((1, 255, 256, 1376)))
        flags = 0x04 | self._random.choice((0, 0x08, 0x10, 0x40, 0x50, 0x58))
        number = self._random.randrange(1 << 16)
        return (
            pack(
                self._random.randrange(1, 7),
                flags,
                self._random.randrange(1 << 32),
                number,
                0,
                self._random.choice((1, 3000, 65535)),
            )
            + body
        )

    def _noise(self) -> Garbage:
        return self._random.randbytes(self._random.choice((0, 1, HEADER_BYTES - 1, HEADER_BYTES, 500)))

    def _odd(self) -> int:
        return self._random.choice(ODD)


def frame(packet: bytes) -> bytes:
    """A packet compressed as a peer may do it."""
    library = importlib.import_module(zstd.MODULE)
    compressed: bytes = library.ZstdCompressor(zstd.LEVEL).compress(packet, library.ZstdCompressor.FLUSH_FRAME)
    return compressed
