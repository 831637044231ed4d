"""UDP drivers on real sockets, and records as they travel: cut into datagrams, each with a header of its own."""

from __future__ import annotations

import select
import socket
from collections import Counter

from appliance.api.datagrams.fragments import FRAGMENT, HEADER, Cutter
from appliance.api.transport import Buffers
from appliance_transport_ip.datagram import Datagrams

HEAD = bytes.fromhex("4c310104000005000000000000000100000004d2")


def crc16(data: bytes) -> int:
    """CRC-16/CCITT by its definition, bit by bit: the judge of the shortcut."""
    crc = 0xFFFF
    for octet in data:
        crc ^= octet << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def record(number: int, body: bytes, *, fragment: bool = True) -> bytes:
    flags = FRAGMENT if fragment else 0
    fields = HEAD[:3] + bytes([flags]) + HEAD[4:8] + (number << 8).to_bytes(8, "big") + HEAD[16:20] + len(body).to_bytes(2, "big")
    return fields + crc16(fields).to_bytes(2, "big") + body


class End:
    """One driver on a connected socket, with what it received."""

    def __init__(self, sock: socket.socket, datagram: int = 1400) -> None:
        self.dropped: Counter[str] = Counter()
        self.records: list[bytes] = []
        self.transmit = memoryview(bytearray(131200))
        buffers = Buffers(self.transmit, memoryview(bytearray(524288)), memoryview(bytearray(131072)), self._drop)
        sock.settimeout(0)
        self.driver = Datagrams(sock, {"datagram": datagram}, buffers)

    def _drop(self, reason: str, count: int) -> None:
        self.dropped[reason] += count

    def send(self, data: bytes) -> bool:
        self.transmit[: len(data)] = data
        return self.driver.transmit(len(data) - HEADER)

    def receive(self) -> list[bytes]:
        """Wait for something, and take it."""
        select.select([self.driver.fileno()], [], [], 1.0)
        self.driver.receive(self._sink)
        return self.records

    def _sink(self, header: bytes, body: bytes, room: memoryview, source: object) -> bool:
        assert len(room) >= len(body)
        self.records.append(bytes(header) + bytes(body))
        return True


def connected(family: socket.AddressFamily = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    a, b = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    a.bind((host, 0))
    b.bind((host, 0))
    a.connect(b.getsockname())
    b.connect(a.getsockname())
    return a, b


def datagrams(whole: bytes, datagram: int = 1400) -> list[bytes]:
    buffer = memoryview(bytearray(131200))
    buffer[: len(whole)] = whole
    data = b"".join(Cutter(buffer, datagram).cut(len(whole) - HEADER))
    return [data[at : at + datagram] for at in range(0, len(data), datagram)]
