"""The bad wire as a process: frames from a host to its switch are delayed, lost and reordered on the way; back they just pass.

    python -m appliance.lab.wire_relay '{"impairment": {…}, "lines": [["port0", "line0"], …]}'

Each line is the end of the host's cable and the end of a cable to the bridge. It prints "ready" and goes on until it is killed.
The kernel here has no netem; a process has no limits of its own either, and its chance can be seeded.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Final

from appliance.lab.impairment import Impairment, Line

ETH_P_ALL: Final = 0x0003
SOL_PACKET: Final = 263
PACKET_VNET_HDR: Final = 15
PACKET_IGNORE_OUTGOING: Final = 23
"""linux/if_ether.h, linux/socket.h, linux/if_packet.h."""
VNET_HEADER: Final = 10
"""Bytes of struct virtio_net_hdr, which tells what of its checksum a frame still lacks. It goes on as it came."""
MOST_FRAME: Final = 65536 + VNET_HEADER
PIECES: Final = 64
"""Frames that are read from one end before the others have their turn."""
BUFFER_BYTES: Final = 4 << 20
"""What the kernel may keep for us while another process has our core: some milliseconds at a gigabit."""


class Relay:
    """All lines of one wire."""

    def __init__(self, impairment: Impairment, lines: list[tuple[str, str]]) -> None:
        self._impaired: dict[socket.socket, tuple[socket.socket, Line]] = {}
        self._passing: dict[socket.socket, socket.socket] = {}
        for number, (port, line) in enumerate(lines):
            outer, inner = _open(port), _open(line)
            chance = random.Random(f"{impairment.seed}/{number}")  # noqa: S311 - chance that can be had again
            self._impaired[outer] = (inner, Line(impairment, chance))
            self._passing[inner] = outer
        self._ends = [*self._impaired, *self._passing]
        self._under_way: list[tuple[float, int, socket.socket, bytes]] = []
        self._numbers = itertools.count()
        self._buffer = bytearray(MOST_FRAME)

    def run(self) -> None:
        """Until the process is killed."""
        while True:
            wait = max(0.0, self._under_way[0][0] - time.monotonic()) if self._under_way else None
            # select takes microseconds; poll and epoll round up to milliseconds
            for end in select.select(self._ends, [], [], wait)[0]:
                self._read(end)
            self._let_out()

    def _read(self, end: socket.socket) -> None:
        for _ in range(PIECES):
            try:
                size = end.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:  # the interface is down: its cable has been cut
                return
            if (passing := self._passing.get(end)) is not None:
                _send(passing, memoryview(self._buffer)[:size])
                continue
            out, line = self._impaired[end]
            due = line.admit(time.monotonic(), size - VNET_HEADER)
            if due is not None:
                heapq.heappush(self._under_way, (due, next(self._numbers), out, bytes(memoryview(self._buffer)[:size])))

    def _let_out(self) -> None:
        now = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, _, out, frame = heapq.heappop(self._under_way)
            _send(out, frame)


def _open(device: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # hears nothing before it is bound
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        end.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    end.bind((device, ETH_P_ALL))
    end.setblocking(False)  # noqa: FBT003 - its name for it
    return end


def _send(end: socket.socket, frame: bytes | memoryview) -> None:
    with suppress(OSError):  # its queue is full, or its cable has been cut: a wire loses what it cannot carry
        end.send(frame)


def main(text: str) -> None:
    """What the process does."""
    told = json.loads(text)
    relay = Relay(Impairment.from_document(told["impairment"]), [(port, line) for port, line in told["lines"]])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    relay.run()


if __name__ == "__main__":
    main(sys.argv[1])
