"""Nodes without a host: real workers that move packets through socket pairs, without root, and end when their pair does."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rigs.packets import udp4
from rigs.workers import Listener, Side, joined, until

from appliance.runtime.links.table import Links
from appliance.runtime.workers.keeper import WorkerKeeper
from appliance.runtime.workers.packet_device import packet_pair
from appliance.runtime.workers.process import WorkerProcess

ROOT = Path(__file__).parents[3]
NO_VNET = bytes(10)
TO_B = udp4(700, 7)
TO_A = udp4(300, 8, source="10.8.0.2", destination="10.8.0.1")


def told(story: Callable[[Side, Side], Awaitable[None]], *, vnet: bool = False) -> None:
    """Run a story of two workers."""

    async def run() -> None:
        async with joined(vnet=vnet) as sides:
            await story(*sides)

    asyncio.run(run())


@pytest.mark.parametrize("vnet", [False, True])
def test_packets_cross_both_ways_one_a_message(vnet: bool) -> None:
    header = NO_VNET if vnet else b""

    async def story(a: Side, b: Side) -> None:
        for number in range(3):
            await a.send(header + udp4(700, number))
            await b.send(header + TO_A)
            assert await b.receive() == header + udp4(700, number)
            assert await a.receive() == header + TO_A

    told(story, vnet=vnet)


def super_packet(payload: int) -> bytes:
    """A UDP train of 500-byte datagrams, as a kernel makes them: the checksum is left to be filled in."""
    return struct.pack("<BBHHHH", 1, 5, 28, 500, 20, 6) + udp4(payload, 3)


def test_a_super_packet_is_one_message_with_virtio_headers() -> None:
    async def story(a: Side, b: Side) -> None:
        await a.send(super_packet(20000))
        assert await b.receive() == super_packet(20000)

    told(story, vnet=True)


def test_what_is_no_packet_goes_nowhere_and_ends_nothing() -> None:
    nonsense = [b"", b"\x45", bytes(19), bytes(60), b"\x60" + bytes(30), b"\x4f" + bytes(30)]

    async def story(a: Side, b: Side) -> None:
        await a.send(*nonsense, TO_B)
        assert await b.receive() == TO_B
        assert a.worker.drops() == {"malformed": len(nonsense)}

    told(story)


def test_a_virtio_header_that_lies_is_not_believed() -> None:
    lies = [struct.pack("<BBHHHH", 1, kind, 65535, 48, 20, 16) + TO_B for kind in (1, 3, 4, 5)]

    async def story(a: Side, b: Side) -> None:
        await a.send(*lies, b"short", NO_VNET + TO_B)
        assert await b.receive() == NO_VNET + TO_B
        assert a.worker.drops() == {"malformed": len(lies) + 1}

    told(story, vnet=True)


def test_what_the_application_does_not_read_is_dropped_and_counted() -> None:
    async def story(a: Side, b: Side) -> None:
        large = udp4(60000)
        for _ in range(2000):
            await a.send(large)
            await b.obeyed()  # not faster than loopback takes it
            if b.worker.drops().get("tun_refused"):
                break
        assert b.worker.drops()["tun_refused"]
        while True:  # many are on their way yet, and some are lost between the two
            await a.send(TO_B)
            if (came := await b.receive()) != large:
                break
        assert came == TO_B

    told(story)


@pytest.mark.parametrize("end", [socket.socket.close, lambda sock: sock.shutdown(socket.SHUT_WR)])
def test_the_end_of_the_pair_is_the_end_of_the_worker(end: Callable[[socket.socket], None]) -> None:
    async def story(a: Side, b: Side) -> None:
        await a.send(TO_B)
        assert await b.receive() == TO_B
        end(b.application)
        assert await b.listener.next("on_exit") == (0,)
        assert b.device.has_ended()
        assert not a.device.has_ended()

    told(story)


def test_the_end_is_noticed_although_the_application_left_packets_unread() -> None:
    async def story(a: Side, b: Side) -> None:
        await a.send(TO_B, TO_B)
        await until(lambda: (counters := b.worker.session_counters(5)) is not None and counters.rx_packets == 2)
        b.application.close()
        assert await b.listener.next("on_exit") == (0,)

    told(story)


class Driver(Listener):
    """What a keeper tells of its workers."""

    def __init__(self) -> None:
        super().__init__()
        self.offloads = Listener()


def test_a_keeper_starts_no_other_worker_for_a_device_that_has_ended() -> None:
    async def story() -> None:
        driver = Driver()
        devices, applications = zip(*(packet_pair() for _ in range(2)), strict=True)

        class Knowledge:
            def introduce(self, worker: WorkerProcess) -> None: ...

            def begin(self, worker: WorkerProcess) -> None:
                worker.set_overlay([], hub=False)

        faults = type("Faults", (Listener,), {"broken": lambda _self, _reasons: None})()
        keeper = WorkerKeeper(Links(), lambda _pids: None, [], [], Knowledge(), faults)
        keeper.prepare(driver, 8, 3)  # type: ignore[arg-type]
        await keeper.start(devices, driver, 8)  # type: ignore[arg-type]
        try:
            first, second = keeper.pids
            assert keeper.problem == ""
            applications[0].close()
            await until(lambda: keeper.pids == (second,))
            assert await driver.next("on_worker_lost") == ([], {})
            assert keeper.problem == "one of several does not run"
            applications[1].close()
            await until(lambda: keeper.pids == ())
            assert keeper.problem == "its packet device has ended"
            assert keeper.restarts == 0
            assert not keeper._reviving
            assert first != second
        finally:
            await keeper.stop()
            for device in devices:
                device.close()

    asyncio.run(story())


def test_a_worker_needs_no_privileges_to_begin_with() -> None:
    """In a user namespace where this user is nobody."""
    alone = ["unshare", "--user", "--", sys.executable, "-m", "tests.rigs.workers"]
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no user namespaces")
    run = subprocess.run(alone, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "carried both ways as user 65534\n"
    assert run.stderr.count("one protection less") == 1, "said once, for two workers"
