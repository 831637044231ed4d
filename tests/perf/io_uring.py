#!/usr/bin/env python3
"""Would io_uring help? The worker's own calls beside the same through a ring, in turns, as CPU time a packet (root only).

usage: .venv/bin/python -m tests.perf.io_uring [--rounds N] [--json]

The ring is the best that pure Python can do: entries are packed once, a turn moves two indices and makes one system call
(io_uring_enter, through ctypes) for a whole batch. What is compared is reading a batch from a TUN and sending one through a UDP
socket, in the two shapes the worker has: super-packets of up to 64 KiB, and small packets.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, Final

from appliance.linux import tun
from tests.netns.throwaway import Throwaway

SETUP, ENTER = 425, 426
READ, WRITE = 22, 23
GETEVENTS: Final = 1
SQ_RING, CQ_RING, SQES = 0, 0x8000000, 0x10000000
SQE_BYTES, CQE_BYTES = 64, 16
SOL_UDP, UDP_SEGMENT, SO_SNDBUFFORCE = 17, 103, 32
DATAGRAM: Final = 1372
SUPER: Final = 46 * DATAGRAM
SMALL: Final = 64
BATCHES: Final = (1, 4, 32)
"""Packets for one turn: one (a ping), four (what the worker takes in a turn), and as many as a flood leaves waiting."""
TURNS: Final = 200
INTERFACE: Final = "sysctl -qw net.ipv6.conf.llp0.disable_ipv6=1; ip addr add 10.8.0.1/24 dev llp0; ip link set llp0 mtu 1400 up"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Ring:
    """An io_uring without a polling thread (io_uring_setup(2)). `prepare` packs the entries, `run` submits them and waits."""

    def __init__(self, entries: int) -> None:
        parameters = ctypes.create_string_buffer(120)
        self._fd = _call(SETUP, entries, parameters)
        fields = struct.unpack("=30I", parameters.raw)
        self._entries, cq_entries = fields[0], fields[1]
        sq, cq = fields[10:20], fields[20:30]
        self._sq = mmap.mmap(self._fd, sq[6] + 4 * self._entries, offset=SQ_RING)
        self._cq = mmap.mmap(self._fd, cq[5] + CQE_BYTES * cq_entries, offset=CQ_RING)
        self._sqes = mmap.mmap(self._fd, SQE_BYTES * self._entries, offset=SQES)
        words = memoryview(self._sq).cast("B")
        self._sq_tail = words[sq[1] : sq[1] + 4].cast("I")
        words[sq[6] : sq[6] + 4 * self._entries].cast("I")[:] = memoryview(
            struct.pack(f"={self._entries}I", *range(self._entries))
        ).cast("I")
        completions = memoryview(self._cq)
        self._cq_head = completions[cq[0] : cq[0] + 4].cast("I")
        self._results = completions[cq[5] : cq[5] + CQE_BYTES * cq_entries].cast("i")
        self._cq_mask = cq_entries - 1

    def prepare(self, opcode: int, descriptor: int, buffers: list[memoryview]) -> None:
        """Fill all entries: `buffers` has one for each. They stay valid for any number of turns."""
        assert len(buffers) == self._entries
        for number, buffer in enumerate(buffers):
            address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
            entry = struct.pack("=BBHiQQIIQ", opcode, 0, 0, descriptor, 0xFFFFFFFFFFFFFFFF, address, len(buffer), 0, number)
            self._sqes[number * SQE_BYTES : number * SQE_BYTES + len(entry)] = entry

    def run(self) -> int:
        """All entries once; the sum of their results."""
        count = self._entries
        self._sq_tail[0] = (self._sq_tail[0] + count) & 0xFFFFFFFF
        if _libc.syscall(ENTER, self._fd, count, count, GETEVENTS, None, 0) != count:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
        head, total = self._cq_head[0], 0
        for at in range(head, head + count):
            total += self._results[(at & self._cq_mask) * 4 + 2]
        self._cq_head[0] = (head + count) & 0xFFFFFFFF
        return total

    def result(self, number: int) -> int:
        """What the entry `number` of the last run brought, where they complete in order, as reads of what is there do."""
        return int(self._results[(self._cq_head[0] - self._entries + number & self._cq_mask) * 4 + 2])

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


def _call(number: int, *arguments: Any) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def compared(
    fill: Callable[[], None], calls: Callable[[], int], ring: Callable[[], int], batch: int, turns: int
) -> tuple[float, float]:
    """CPU microseconds a packet of both ways, in turns, which move the same amount; `fill` is not counted."""
    spent, moved = [0.0, 0.0], [0, 0]
    for turn in range(2 * turns):
        fill()
        way = (calls, ring)[turn & 1]
        begun = time.process_time_ns()
        moved[turn & 1] += way()
        spent[turn & 1] += time.process_time_ns() - begun
    assert moved[0] == moved[1] > 0
    return spent[0] / turns / batch / 1000, spent[1] / turns / batch / 1000


def reading(size: int, batch: int, gathered: bool, turns: int) -> tuple[float, float]:
    """A batch that waits on a TUN. `gathered`: packets lie behind each other, as a record wants them. A call is told where the
    last packet ended; entries of a ring cannot be, so what it read is moved."""
    device = tun.attach("llp0")
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 26)
    sender.connect(("10.8.0.2", 9))
    payload = bytes(size)
    if size > DATAGRAM:
        sender.setsockopt(SOL_UDP, UDP_SEGMENT, DATAGRAM)
    while not select.select([device.fd], [], [], 0.05)[0]:  # the kernel activates the device a moment after the attachment
        sender.send(payload)
    while select.select([device.fd], [], [], 0)[0]:
        os.read(device.fd, 65546)
    buffers = [memoryview(bytearray(65546)) for _ in range(batch)]
    descriptor, ring = device.fd, Ring(batch)
    ring.prepare(READ, descriptor, buffers)
    readv = os.readv

    record = memoryview(bytearray(65546 * 2))

    def calls() -> int:
        return sum(readv(descriptor, (room,)) for room in buffers)

    def calls_gathered() -> int:
        at = 0
        for _ in buffers:
            at += readv(descriptor, (record[at : at + 65546],))
        return at

    def ring_gathered() -> int:
        ring.run()
        at = 0
        for number, room in enumerate(buffers):
            end = at + ring.result(number)
            record[at:end] = room[: end - at]
            at = end
        return at

    def fill() -> None:
        for _ in range(batch):
            sender.send(payload)

    try:
        ways = (calls_gathered, ring_gathered) if gathered else (calls, ring.run)
        return compared(fill, *ways, batch, turns)
    finally:
        ring.close()
        sender.close()
        device.close()


def sending(size: int, batch: int, turns: int) -> tuple[float, float]:
    """A batch sent through a connected socket."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what arrives is dropped: receiving is not measured
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(sink.getsockname())
    if size > DATAGRAM:
        out.setsockopt(SOL_UDP, UDP_SEGMENT, DATAGRAM)
    buffers = [memoryview(bytearray(size)) for _ in range(batch)]
    descriptor, ring = out.fileno(), Ring(batch)
    ring.prepare(WRITE, descriptor, buffers)
    writev = os.writev

    def calls() -> int:
        return sum(writev(descriptor, (data,)) for data in buffers)

    try:
        return compared(lambda: None, calls, ring.run, batch, turns)
    finally:
        ring.close()
        out.close()
        sink.close()


def measure(rounds: int, turns: int = TURNS) -> list[dict[str, Any]]:
    """Medians of the rounds. Runs in a namespace with the device of INTERFACE."""
    deeds = (
        ("read from the TUN", partial(reading, gathered=False), (SUPER, SMALL)),
        ("gather from the TUN into a record", partial(reading, gathered=True), (SMALL, DATAGRAM)),
        ("send through UDP", sending, (SUPER, SMALL)),
    )
    figures = []
    for what, deed, sizes in deeds:
        for size in sizes:
            for batch in BATCHES:
                found = [deed(size, batch, turns=turns) for _ in range(rounds)]
                calls, ring = (median(each[way] for each in found) for way in (0, 1))
                ratio = median(each[0] / each[1] for each in found)
                named = {"what": what, "bytes": size, "batch": batch}
                figures.append({**named, "calls_us": round(calls, 2), "ring_us": round(ring, 2), "ring_gain": round(ratio, 2)})
    return figures


def table(figures: list[dict[str, Any]]) -> str:
    lines = [
        "| deed | bytes | batch | calls, CPU µs a packet | ring, CPU µs a packet | ring × as fast |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *("| " + " | ".join(map(str, found.values())) + " |" for found in figures)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with Throwaway() as namespace:
        namespace.run(tun.create, "llp0")
        namespace.sh(
            "sysctl -qw net.ipv6.conf.llp0.disable_ipv6=1; ip addr add 10.8.0.1/24 dev llp0; ip link set llp0 mtu 1400 up"
        )
        figures = namespace.run(measure, options.rounds)
    print(json.dumps(figures, indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main()
