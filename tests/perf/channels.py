"""How much data channels of one peer slow down the packets of another, as a ratio within one run (root only).

usage: .venv/bin/python -m tests.perf.channels [--rounds N] [--seconds S] [--json]

One real worker on a socket pair has two peers. All the while its sockets are kept full with packets of, or for, peer `y`, and in
every other round with messages on a data channel of peer `x` too, so that both always wait for it. What counts is the processor
time that it uses for each of y's packets: what other processes do does not matter. `packets` is what is left of y's speed beside
the channel: 1 is all of it. `messages` are those on the channel in a second of the worker's time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import signal
import socket
import statistics
import struct
import time
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.dataplane.session import Sender
from appliance.runtime.workers.data_channels import channel_pair
from appliance.runtime.workers.packet_device import packet_pair
from appliance.runtime.workers.process import WorkerProcess
from appliance.runtime.workers.telling import SessionKeys
from appliance.wire.envelope import CRC_START, FIELDS, PROTO
from appliance_crypto_standard.plugin import AES_256_GCM
from tests.rigs.workers import INSIDE, Listener, until

DATAGRAMS, STREAMS = "appliance_transport_ip.datagram:Datagrams", "appliance.api.stream:Stream"
CHANNEL: Final = 7
BAR: Final = 0.9
CARRIERS_BAR: Final = 0.5
"""The same beside a channel that carries a link."""
LARGE, SMALL = 60000, 200
BUFFERS: Final = {LARGE: 32 << 20, SMALL: 4 << 20}
"""Bytes of each socket's buffer, by the size of packets: dozens of milliseconds of the worker's time."""
FORCED: Final = (32, 33)
"""SO_SNDBUFFORCE, SO_RCVBUFFORCE."""


class Load(NamedTuple):
    """What is measured: the way it goes, and bytes of packets and of messages."""

    sending: bool
    packet: int
    message: int
    carrier: bool = False
    """Are the messages the packets of a link?"""

    @property
    def noun(self) -> str:
        return "a link's messages" if self.carrier else "messages"

    def __str__(self) -> str:
        return f"{'sending' if self.sending else 'receiving'}, packets of {self.packet}, {self.noun} of {self.message} bytes"


SIZES: Final = [(packet, message) for packet in (LARGE, SMALL) for message in (LARGE, SMALL)]
LOADS: Final = [Load(sending, *sizes, carrier) for carrier in (False, True) for sending in (True, False) for sizes in SIZES]


def ip(size: int, source: str, destination: str) -> bytes:
    """An IPv4 packet of so many bytes."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    return struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0, 64, 17, 0) + addresses + bytes(size - 20)


class Sealed:
    """Records of one session, sealed one after the other."""

    def __init__(self, number: int, channel: int) -> None:
        self._stream = number << 8 | channel
        self._seal = Sender(bytes([number]) * 64, 32, AESGCM, 1 << 62, 1 << 40).seal
        self._number = 0

    def record(self, body: bytes) -> bytes:
        """The next record."""
        self._number += 1
        record = bytearray(24 + len(body) + 16)
        FIELDS.pack_into(record, 0, PROTO, 1, 0, self._stream, self._number << 8, 0, len(body) + 16)
        record[22:24] = crc_hqx(bytes(record[:22]), CRC_START).to_bytes(2, "big")
        self._seal(bytes(4) + record[8:16], body, bytes(record[:24]), memoryview(record)[24:])
        return bytes(record)


class Rig:
    """The worker with its peers y (session 1, packets) and x (session 2, a channel)."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.worker = WorkerProcess(Listener(), 8)
        self.device, self.application = packet_pair()
        self.ours, self.channel = channel_pair()
        self.far: list[socket.socket] = []
        self._sealed = Sealed(1, 0), Sealed(2, CHANNEL)
        self._rests = [b"", b""]
        _enlarge(load, self.application, self.channel, self.ours)

    async def start(self) -> None:
        """Everything is there and knows of everything."""
        worker, driver = self.worker, DATAGRAMS if self.load.sending else STREAMS
        await worker.start(self.device, suites=[AES_256_GCM], drivers=[driver])
        _be_ordinary(worker.pid)
        worker.put_peers([("y", [INSIDE["b"]], 0), ("x", [], 0)])
        for number, name in enumerate("yx", 1):
            near, far = _datagrams() if self.load.sending else _stream(self.load)
            self.far.append(far)
            worker.add_link(number, near, driver, {"datagram": 1400} if self.load.sending else {}, remote=far.getsockname())
            near.close()
            keys = SessionKeys(number, number, name, AES_256_GCM.name, bytes([number]) * 64, bytes([number]) * 64)
            worker.add_session(keys, link=number, to=None, rotate_bytes=1 << 62)
        worker.change_routes([(INSIDE["b"], "y")])
        worker.set_overlay([], hub=False)
        self.ours.settimeout(0)
        worker.open_channel("x", CHANNEL, 1, self.ours, carrier=self.load.carrier)
        for end in (self.application, self.channel, *self.far):
            end.settimeout(0)
        await self.idle()

    async def stop(self) -> None:
        """End everything."""
        await self.worker.stop()
        self.worker.close()
        self.device.close()
        for end in (self.application, self.channel, self.ours, *self.far):
            end.close()

    async def idle(self) -> None:
        """The worker has done all there was."""
        for _ in range(3):
            number = self.worker.beat() + 1
            self.worker.ask(number)
            await until(lambda number=number: self.worker.beat() == number)

    def fill(self, *, channel: bool) -> None:
        """Packets of y, as many as fit in, and so many messages of x."""
        packet, message = self.packet, bytes(self.load.message)
        if self.load.sending:
            _fill(self.application, packet)
            if channel:
                _fill(self.channel, message)
            return
        entry = struct.pack("!H10x", 10 + len(packet)) + packet
        self._fill_stream(0, entry * max(1, 50000 // len(entry)))
        if channel:
            self._fill_stream(1, message)

    @property
    def packet(self) -> bytes:
        """One of y's, or one for y."""
        source, destination = ("10.8.0.1", "10.8.0.2")[:: 1 if self.load.sending else -1]
        return ip(self.load.packet, source, destination)

    def _fill_stream(self, which: int, body: bytes) -> None:
        sock = self.far[which]
        while True:
            rest = self._rests[which] or self._sealed[which].record(body)
            try:
                self._rests[which] = rest[sock.send(rest) :]
            except BlockingIOError:
                self._rests[which] = rest
                return

    def moved(self) -> int:
        """Packets of y that have gone so far."""
        received, sent = self.worker.packets(1)
        return sent if self.load.sending else received

    def messages(self) -> int:
        """Messages of x that have gone so far."""
        figures = self.worker.channels()
        return figures.tx_records if self.load.sending else figures.rx_records

    def used(self) -> float:
        """Seconds of processor time of the worker (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self.worker.pid << 3 | 2)


def _be_ordinary(pid: int) -> None:
    """Not real-time, as this process is."""
    os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def _enlarge(load: Load, *ends: socket.socket) -> None:
    for end in ends:
        for option in FORCED:
            end.setsockopt(socket.SOL_SOCKET, option, BUFFERS[load.packet])


def _datagrams() -> tuple[socket.socket, socket.socket]:
    """Two connected UDP sockets, of which nobody reads the second."""
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    near.bind(("127.0.0.1", 0))
    far.bind(("127.0.0.1", 0))
    near.connect(far.getsockname())
    far.connect(near.getsockname())
    return near, far


def _stream(load: Load) -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection over loopback."""
    with socket.socket() as server:
        _enlarge(load, server)
        server.bind(("127.0.0.1", 0))
        server.listen()
        far = socket.socket()
        _enlarge(load, far)
        far.connect(server.getsockname())
        return server.accept()[0], far


def _fill(end: socket.socket, message: bytes) -> None:
    with suppress(BlockingIOError):
        while True:
            end.send(message)


@contextmanager
def reading(*ends: socket.socket) -> Iterator[None]:
    """Another process reads what comes there."""
    pid = os.fork()
    if not pid:
        _be_ordinary(0)
        _read_forever(*ends)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _read_forever(*ends: socket.socket) -> None:
    poll = select.epoll()
    receive: dict[int, Callable[[bytearray], int]] = {end.fileno(): end.recv_into for end in ends}
    for descriptor in receive:
        poll.register(descriptor, select.EPOLLIN)
    room = bytearray(1 << 20)
    while True:
        for descriptor, _ in poll.poll():
            for _ in range(16):
                try:
                    receive[descriptor](room)
                except OSError:
                    break


def measure(rig: Rig, seconds: float, *, channel: bool) -> float:
    """Seconds of the worker's time for each of y's packets, with or without x's messages, in so many seconds of it."""
    os.kill(rig.worker.pid, signal.SIGSTOP)
    rig.fill(channel=channel)
    packets, began = rig.moved(), rig.used()
    os.kill(rig.worker.pid, signal.SIGCONT)
    while (used := rig.used() - began) < seconds:
        rig.fill(channel=channel)
    return used / (rig.moved() - packets)


async def compare(load: Load, rounds: int, seconds: float) -> dict[str, Any]:
    """Medians over the rounds."""
    rig = Rig(load)
    await rig.start()
    ratios, alone, messages = [], [], []
    try:
        with reading(rig.application, rig.channel):
            for _ in range(rounds):
                await rig.idle()
                without = measure(rig, seconds, channel=False)
                before, began = rig.messages(), rig.used()
                ratios.append(without / measure(rig, seconds, channel=True))
                messages.append((rig.messages() - before) / (rig.used() - began))
                alone.append(without)
    finally:
        await rig.stop()
    kept = statistics.median(ratios)
    return {
        "load": str(load),
        "packets": round(kept, 3),
        "lowest": round(min(ratios), 3),
        "alone_us": round(1e6 * statistics.median(alone), 2),
        "messages": round(statistics.median(messages)),
        "met": kept >= (CARRIERS_BAR if load.carrier else BAR),
    }


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of the worker's time, for each figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # whatever else runs: see the last of y's packets go
    figures = [await compare(load, options.rounds, options.seconds) for load in LOADS]
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    print(
        "| load | packets beside the channel | in the worst round | a packet alone | messages a second |\n|---|---|---|---|---|"
    )
    for each in figures:
        print(
            f"| {each['load']} | {each['packets']:.2f} | {each['lowest']:.2f} | {each['alone_us']:.1f} us | {each['messages']} |"
        )


if __name__ == "__main__":
    asyncio.run(main())
