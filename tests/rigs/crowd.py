"""Many peers in one process, each a real `Node` with a socket of its own: the far side of tests with many sessions.

usage: python -m tests.rigs.crowd ENDPOINTS FINGERPRINT COUNT SOURCES       (started by tests.rigs.crowded in a namespace)

Obeys lines on standard input and answers each with a JSON line: `connect` calls ENDPOINTS from all peers and answers when all
have a session (or after PATIENCE), `count` says how many have one, `echo N` lets all send N echoes to the node's inner address at
the same time, each the next when the last was answered, `close` says goodbye and ends. `live N SECONDS`: who has a session sends
ten echoes a second for so long, none of them again, while the next N call one after another. `harass SEED COUNT`: the last peer
sends so much garbage (see tests.rigs.hostile) while the others send echoes. Identities come from `identity_of`, so both sides
know them. Peers take turns at ENDPOINTS and at the source addresses SOURCES (both comma-separated), as sites would.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.api.values import Endpoint
from appliance.protocol import events
from appliance.protocol.identity import Identity
from appliance.protocol.node import Node
from appliance.protocol.ratchet import Ratchet
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.simulated_host import SUITES, TAG_BYTES
from appliance.wire.entries import ENTRY_BYTES, VNET_BYTES
from appliance.wire.envelope import CHANNEL_CONTROL, HANDSHAKE_TYPES, HEADER_BYTES, PacketType, nonce, pack, unpack
from tests.rigs.hostile import SPOOFED, Garbage, Hostile, Sealed

PATIENCE = 60.0
ASK_AGAIN = 1.0
"""Seconds after which an echo without an answer is sent again."""
PING_GAP = 0.1
HARASSMENTS = 20
HARASS_GAP = 0.01
TALK_RATE = 10_000
"""Requests a second that one caller sends at least."""
"""So much garbage, and then a pause."""
NODE = "node"
NODE_INSIDE = "10.64.0.1"
ECHO_BYTES = 200
IP = struct.Struct("!BBHHHBBH4s4s")
ICMP = struct.Struct("!BBHHH")


def identity_of(number: int) -> Identity:
    """Always the same identity for the same peer."""
    return Identity.from_seeds(*(sha256(f"crowd {half} {number}".encode()).digest() for half in ("ed25519", "mldsa")))


def inside(number: int) -> str:
    """The overlay address of a peer."""
    return f"10.{65 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(source: str, target: str, kind: int, sequence: int) -> bytes:
    """An ICMP echo of ECHO_BYTES data: request (8) or reply (0), as an entry of a record."""
    body = ICMP.pack(kind, 0, 0, 7, sequence) + sequence.to_bytes(2, "big") * (ECHO_BYTES // 2)
    body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
    ends = (ipaddress.IPv4Address(source).packed, ipaddress.IPv4Address(target).packed)
    head = IP.pack(0x45, 0, IP.size + len(body), 0, 0x4000, 64, 1, 0, *ends)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return (VNET_BYTES + len(head) + len(body)).to_bytes(2, "big") + bytes(VNET_BYTES) + head + body


class _Keys:
    def __init__(self, ready: events.SessionReady) -> None:
        self.remote = ready.remote_index
        self.seal, self.open = (AESGCM(Ratchet(chain, 32).key(0)) for chain in (ready.send_chain, ready.receive_chain))
        self.sent = 0
        self.received = 0

    def sealed(self, kind: int, channel: int, body: bytes) -> bytes:
        """The next record, whatever is in it."""
        self.sent += 1
        sequence = self.sent << 8
        header = pack(kind, 0, self.remote << 8 | channel, sequence, 0, len(body) + TAG_BYTES)
        return header + self.seal.encrypt(nonce(sequence), body, header)


class Caller:
    """One peer that calls the node and keeps its session."""

    def __init__(self, number: int, to: Endpoint, fingerprint: str, source: str, identity: Identity | None = None) -> None:
        self._to = to
        self._source = source
        self._datagram = to.scheme == "udp"
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sock: socket.socket | None = None
        self._rest = b""
        self._out = b""
        self._link = 0
        self._keys: dict[int, _Keys] = {}
        self.active: int | None = None
        self.inside = inside(number)
        self.echoes_due = self.answered = self.wrong = 0
        self.pinged = 0
        self.pongs: set[int] = set()
        peers = (PeerSettings(NODE, fingerprint, (), 10.0),)
        now = time.monotonic()
        own = identity or identity_of(number)
        self.node = Node(NodeSettings(), own, SUITES, now=now, entropy=os.urandom, peers=peers)

    def call(self) -> None:
        """Begin."""
        self.node.handle_candidates(NODE, [self._to], time.monotonic())
        self._settle()

    def echo(self, count: int) -> None:
        """Send so many echoes, one after the other, through the session."""
        self.echoes_due = self.answered + count
        self.ask()

    def ping(self) -> None:
        """Send one echo that is not sent again."""
        if self.active is not None:
            self.pinged += 1
            entry = echo(self.inside, NODE_INSIDE, 8, self.pinged)
            self._seal(events.SendMessage(self.active, PacketType.DATA, 0, entry))

    def ask(self) -> None:
        """Send the next echo; again, when its answer does not come: a datagram may be lost."""
        if self.active is not None and self.answered < self.echoes_due:
            entry = echo(self.inside, NODE_INSIDE, 8, self.answered + 1)
            self._seal(events.SendMessage(self.active, PacketType.DATA, 0, entry))

    def _answered(self, body: bytes) -> None:
        if self.pinged:
            self.pongs.add(ICMP.unpack_from(body, ENTRY_BYTES + IP.size)[4])
            return
        wanted = echo(NODE_INSIDE, self.inside, 0, self.answered + 1)
        if (
            body[ENTRY_BYTES + IP.size :] == wanted[ENTRY_BYTES + IP.size :]
            and body[ENTRY_BYTES + 12 :][:8] == wanted[ENTRY_BYTES + 12 :][:8]
        ):
            self.answered += 1
            self.ask()
        elif body[ENTRY_BYTES + IP.size :] != echo(NODE_INSIDE, self.inside, 0, self.answered)[ENTRY_BYTES + IP.size :]:
            self.wrong += 1

    def close(self) -> None:
        """Say goodbye."""
        self.node.shutdown(time.monotonic())
        self._settle()
        if self._timer is not None:
            self._timer.cancel()
        self._hang_up()

    def _settle(self) -> None:
        while True:
            while (event := self.node.poll_event()) is not None:
                self._obey(event)
            transmit = self.node.poll_transmit()
            if transmit is None:
                break
            self._send(transmit.packet)
        if self._timer is not None:
            self._timer.cancel()
        due = self.node.poll_timeout()
        self._timer = None if due is None else self._loop.call_at(due, self._timeout)

    def _timeout(self) -> None:
        self.node.handle_timeout(time.monotonic())
        self._settle()

    def _obey(self, event: events.Event) -> None:
        match event:
            case events.Dial():
                self._dial()
            case events.SessionReady():
                self._keys[event.session] = _Keys(event)
            case events.SessionConfirmed():
                self.active = event.session
            case events.SessionClosed():
                self._keys.pop(event.session, None)
                if self.active == event.session:
                    self.active = None
            case events.SendMessage():
                self._seal(event)
            case events.LinkUnused():
                self._hang_up()

    def _dial(self) -> None:
        self._hang_up()
        sock = self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if self._datagram else socket.SOCK_STREAM)
        sock.bind((self._source, 0))
        sock.settimeout(0)
        with suppress(BlockingIOError):
            sock.connect((self._to.host, self._to.port))
        self._loop.add_reader(sock.fileno(), self._readable)
        if self._datagram:
            self._dialled()
        else:
            self._loop.add_writer(sock.fileno(), self._writable)

    def _dialled(self) -> None:
        assert self._sock is not None
        self._link += 1
        local = Endpoint(self._to.scheme, *self._sock.getsockname())
        self.node.handle_link(self._link, NODE, local, self._to, self._datagram, time.monotonic())

    def _writable(self) -> None:
        """The connection is there."""
        assert self._sock is not None
        self._loop.remove_writer(self._sock.fileno())
        self._dialled()
        self._settle()

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _send(self, packet: bytes) -> None:
        if self._sock is not None:
            with suppress(OSError):
                self._sock.send(packet)

    def _seal(self, event: events.SendMessage) -> None:
        keys = self._keys.get(event.session)
        if keys is not None:
            self._send(keys.sealed(event.kind, event.channel, event.body))

    def harass(self, garbage: Garbage) -> None:
        """Send something that no peer should."""
        if isinstance(garbage, bytes):
            self._send(garbage)
        elif self.active is not None:
            self._send(self._keys[self.active].sealed(*garbage))

    def reflect(self, elsewhere: socket.socket) -> int:
        """Send a fresh record from another address, as somebody who saw it could; its bytes."""
        if self.active is None:
            return 0
        record = self._keys[self.active].sealed(PacketType.KEEP_ALIVE, 0, b"")
        return elsewhere.sendto(record, (self._to.host, self._to.port))

    def _readable(self) -> None:
        try:
            data = self._sock.recv(65536) if self._sock is not None else b""
        except OSError:
            data = b""
        if self._datagram:
            if data:
                self._take(data)
        elif not data:
            self._hang_up()
            self.node.handle_link_closed(self._link, time.monotonic())
        else:
            self._rest += data
            while len(self._rest) >= HEADER_BYTES:
                end = HEADER_BYTES + int.from_bytes(self._rest[20:22], "big")
                if end > len(self._rest):
                    break
                packet, self._rest = self._rest[:end], self._rest[end:]
                self._take(packet)
        self._settle()

    def _take(self, packet: bytes) -> None:
        fields = unpack(packet)
        if fields is None or fields[1] in HANDSHAKE_TYPES:
            self.node.handle_packet(self._link, None, packet, time.monotonic())
            return
        _, kind, _, stream, sequence, _, _, _ = fields
        keys = self._keys.get(stream >> 8)
        if keys is None:
            return
        try:
            body = keys.open.decrypt(nonce(sequence), packet[HEADER_BYTES:], packet[:HEADER_BYTES])
        except InvalidTag:
            return
        keys.received += 1
        if kind == PacketType.DATA and not stream & 0xFF:
            self._answered(body)
        elif kind != PacketType.DATA or stream & 0xFF == CHANNEL_CONTROL:
            self.node.handle_message(stream >> 8, PacketType(kind), stream & 0xFF, body, time.monotonic())


async def serve(to: list[Endpoint], fingerprint: str, count: int, sources: list[str]) -> None:
    """Obey until told to close."""
    callers = [Caller(number, to[number % len(to)], fingerprint, sources[number % len(sources)]) for number in range(count)]
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tell({"ready": count})
    while line := (await lines.readline()).decode().strip():
        if line == "connect":
            tell(await connect(callers))
        elif line == "count":
            tell({"connected": connected(callers)})
        elif line.startswith("echo "):
            tell(await echoes(callers, int(line.split()[1])))
        elif line.startswith("live "):
            _, count, seconds = line.split()
            tell(await live(callers, int(count), float(seconds)))
        elif line.startswith("harass "):
            tell(await harass(callers, *map(int, line.split()[1:]), sources[0]))
        elif line.startswith("talk "):
            tell(await talk(callers, int(line.split()[1])))
        elif line == "close":
            break
    for caller in callers:
        caller.close()


async def connect(callers: list[Caller]) -> dict[str, float]:
    """Call from all; how many have a session after how many seconds."""
    begun, used = time.monotonic(), time.process_time()
    for caller in callers:
        caller.call()
        await asyncio.sleep(0)
    while connected(callers) < len(callers) and time.monotonic() - begun < PATIENCE:  # noqa: ASYNC110  many small events
        await asyncio.sleep(0.01)
    return {"connected": connected(callers), "seconds": time.monotonic() - begun, "cpu": time.process_time() - used}


async def echoes(callers: list[Caller], count: int) -> dict[str, float]:
    """All at once; how many were answered, and how many answers nobody had asked for."""
    begun = asked = time.monotonic()
    for caller in callers:
        caller.echo(count)
    before = [-1] * len(callers)
    while any(caller.answered < caller.echoes_due for caller in callers) and time.monotonic() - begun < PATIENCE:
        await asyncio.sleep(0.01)
        if time.monotonic() - asked >= ASK_AGAIN:
            for caller in [caller for caller, answered in zip(callers, before, strict=True) if caller.answered == answered]:
                caller.ask()
            before, asked = [caller.answered for caller in callers], time.monotonic()
    return {"answered": sum(caller.answered for caller in callers), "wrong": sum(caller.wrong for caller in callers)}


async def live(callers: list[Caller], count: int, seconds: float) -> dict[str, Any]:
    """Echoes `sent` and `answered`, sessions kept, and the seconds that each call `took`."""
    old = [caller for caller in callers if caller.active is not None]
    new = [caller for caller in callers if caller.active is None][:count]
    took, _ = await asyncio.gather(calls(new, seconds), pings(old, seconds))
    sent, answered = sum(caller.pinged for caller in old), sum(len(caller.pongs) for caller in old)
    for caller in old:
        caller.pinged, caller.pongs = 0, set()
    return {"sent": sent, "answered": answered, "kept": connected(old), "of": len(old), "took": took}


async def harass(callers: list[Caller], seed: int, count: int, elsewhere: str) -> dict[str, Any]:
    """Echoes `sent` and `answered` beside it, `spoofed` ones that reached others, and bytes to and from an address made up."""
    *others, bad = callers
    hostile = Hostile(
        seed, bad.inside, [other.inside for other in others], NODE_INSIDE, lambda source: echo(source, NODE_INSIDE, 8, SPOOFED)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind((elsewhere, 0))
        victim.settimeout(0)
        reflected = 0
        pinging = asyncio.ensure_future(pings(others, count / HARASSMENTS * HARASS_GAP))
        for number in range(count):
            bad.harass(hostile.next())
            if not number % HARASSMENTS:
                reflected += bad.reflect(victim)
                await asyncio.sleep(HARASS_GAP)
            if bad.active is None:  # a stream ends with the first garbage between two records
                bad.call()
        await pinging
        came = received(victim)
    pongs = [pong for caller in others for pong in caller.pongs]
    sent, spoofed = sum(caller.pinged for caller in others), pongs.count(SPOOFED)
    for caller in others:
        caller.pinged, caller.pongs = 0, set()
    answers = {"sent": sent, "answered": len(pongs) - spoofed, "spoofed": spoofed}
    return {**answers, "reflected": reflected, "came": came, "kept": connected(others), "of": len(others)}


async def talk(callers: list[Caller], count: int) -> dict[str, Any]:
    """The last one sends requests as fast as it can, for `seconds`; echoes of the others `sent` and `answered` within
    `watched` seconds, in which what a stream keeps arrives, too."""
    *others, bad = callers
    begun = time.monotonic()
    pinging = asyncio.ensure_future(pings(others, count / TALK_RATE))
    for number in range(1, count + 1):
        text = b'{"kind":"question-and-answer.fact","request":%d,"name":"moon"}' % number
        bad.harass(Sealed(PacketType.DATA, CHANNEL_CONTROL, text))
        if not number % HARASSMENTS:
            await asyncio.sleep(0)
    seconds = time.monotonic() - begun
    await pinging
    watched = time.monotonic() - begun
    sent, answered = sum(caller.pinged for caller in others), sum(len(caller.pongs) for caller in others)
    for caller in others:
        caller.pinged, caller.pongs = 0, set()
    return {"sent": sent, "answered": answered, "seconds": seconds, "watched": watched, "kept": connected(others)}


def received(sock: socket.socket) -> int:
    """Bytes that wait."""
    total = 0
    with suppress(BlockingIOError):
        while True:
            total += len(sock.recv(65536))
    return total


async def calls(callers: list[Caller], seconds: float) -> list[float]:
    """One after the other, spread over the time; PATIENCE for one that does not get through."""
    took = []
    for caller in callers:
        begun = time.monotonic()
        caller.call()
        while caller.active is None and time.monotonic() - begun < PATIENCE / 2:  # noqa: ASYNC110  many small events
            await asyncio.sleep(0.002)
        took.append(time.monotonic() - begun if caller.active is not None else PATIENCE)
        await asyncio.sleep(max(0.0, seconds / len(callers) - took[-1]))
    return took


async def pings(callers: list[Caller], seconds: float) -> None:
    """From all, and then the time for the last answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for caller in callers:
            caller.ping()
        await asyncio.sleep(PING_GAP)
    await asyncio.sleep(1.0)


def connected(callers: list[Caller]) -> int:
    """How many have a session."""
    return sum(caller.active is not None for caller in callers)


def tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    endpoints = [Endpoint.parse(each) for each in sys.argv[1].split(",")]
    asyncio.run(serve(endpoints, sys.argv[2], int(sys.argv[3]), sys.argv[4].split(",")))
