"""A flood of hellos from made-up addresses and of connections from one, for a throw-away namespace and nowhere else.

usage: python -m tests.rigs.flood SOURCE TARGET PORT SECONDS HELLOS CONNECTS KIND

Sends HELLOS datagrams of KIND (see `pieces`) a second to TARGET:PORT, from SOURCES addresses of 198.18.0.0/15 (RFC 2544, for
benchmarks), and makes CONNECTS connections a second from SOURCE, of which the last KEPT stay open. Prints what it did as a JSON
line. Refuses to run where a way leads out: in a namespace that has a default route.
"""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from appliance.protocol.connecting import PADDED_BYTES
from appliance.wire.envelope import PacketType, no_session, pack
from appliance.wire.fragments import split
from appliance.wire.hello import ClientHello, encode_client_hello

SOURCES = 4096
NET = int(ipaddress.IPv4Address("198.18.0.0"))
BATCH = 64
KEPT = 500
TICK = 0.005
MOST_SECONDS = 120.0
MOST_RATE = 50_000
IP = struct.Struct("!BBHHHBBHII")
UDP = struct.Struct("!HHHH")
BIND_ADDRESS_NO_PORT = 24
RESET = struct.pack("ii", 1, 0)


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    """struct mmsghdr (sendmmsg(2)), with its two ints and the room behind each."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("parts", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_size_t),
        ("sent", ctypes.c_size_t),
    )


class Hellos:
    """Raw datagrams, made once; the kernel only has to send them."""

    def __init__(self, target: str, port: int, kind: str) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        to = struct.pack("!HH4s8x", 0, 0, socket.inet_aton(target))
        self._to = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + to[2:], 16)
        self._packets = [ctypes.create_string_buffer(packet, len(packet)) for packet in packets(target, port, kind)]
        self._vectors = (Iovec * SOURCES)()
        self._headers = (Header * SOURCES)()
        for packet, vector, header in zip(self._packets, self._vectors, self._headers, strict=True):
            vector.base, vector.length = ctypes.addressof(packet), len(packet)
            header.name, header.name_bytes = ctypes.addressof(self._to), 16
            header.vector, header.parts = ctypes.addressof(vector), 1
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._at = 0

    def send(self, count: int) -> int:
        """Send so many, from one address after the other."""
        done = 0
        while done < count:
            step = min(BATCH, count - done, SOURCES - self._at)
            sent = self._sendmmsg(self._sock.fileno(), ctypes.byref(self._headers[self._at]), step, 0)
            if sent <= 0:
                return done
            done += sent
            self._at = (self._at + sent) % SOURCES
        return done


def pieces(kind: str) -> list[bytes]:
    """First fragments of hellos, as small as they may be; "mixed": one of each other packet that a stranger may send, too."""
    client = ClientHello(7, os.urandom(32), os.urandom(32), os.urandom(1568), (1,), (1,))
    first, second, *_ = split(PacketType.HANDSHAKE_INIT, 0, 0, 1, 0, encode_client_hello(client, b"", PADDED_BYTES), 300)
    if kind == "hellos":
        return [first]
    finish = split(PacketType.HANDSHAKE_INIT, 0, 5 << 8, 2, 0, bytes(7331), 1400)[0]
    answer = split(PacketType.HANDSHAKE_RESPONSE, 0, 7 << 8, 5 << 8, 0, bytes(9000), 1400)[0]
    record = pack(PacketType.DATA, 0, 9 << 8, 1 << 8, 0, 100) + bytes(100)
    return [first, second, finish, answer, no_session(5 << 8, 0), record]


def packets(target: str, port: int, kind: str) -> list[bytes]:
    """Datagrams, each from an address of its own."""
    destination = int(ipaddress.IPv4Address(target))
    made, contents = [], pieces(kind)
    for number in range(SOURCES):
        piece = contents[number % len(contents)]
        datagram = UDP.pack(1024 + number, port, UDP.size + len(piece), 0) + piece
        source = NET + (number << 5) + 1
        made.append(IP.pack(0x45, 0, IP.size + len(datagram), 0, 0, 64, 17, 0, source, destination) + datagram)
    return made


class Connections:
    """Connections that say nothing."""

    def __init__(self, source: str, target: str, port: int) -> None:
        self._source = source
        self._to = (target, port)
        self._open: deque[socket.socket] = deque()

    def make(self, count: int) -> int:
        """Begin so many; the oldest are broken off."""
        for _ in range(count):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.settimeout(0)
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
                sock.bind((self._source, 0))
                sock.connect(self._to)
            self._open.append(sock)
            if len(self._open) > KEPT:
                self._open.popleft().close()
        return count


def flood(source: str, target: str, port: int, seconds: float, hellos: int, connects: int, kind: str) -> dict[str, float]:
    """Keep both rates for so long."""
    datagrams, connections = Hellos(target, port, kind), Connections(source, target, port)
    begun = now = time.monotonic()
    sent = made = 0
    while now - begun < min(seconds, MOST_SECONDS):
        sent += datagrams.send(int((now - begun) * min(hellos, MOST_RATE)) - sent)
        made += connections.make(int((now - begun) * min(connects, MOST_RATE)) - made)
        time.sleep(TICK)
        now = time.monotonic()
    return {"seconds": now - begun, "hellos": sent, "connects": made, "cpu": time.process_time()}


if __name__ == "__main__":
    assert not any(line.split()[1] == "00000000" for line in Path("/proc/net/route").read_text().splitlines()[1:]), "not here"
    source, target, port, seconds, hellos, connects, kind = sys.argv[1:]
    print(json.dumps(flood(source, target, int(port), float(seconds), int(hellos), int(connects), kind)), flush=True)
