"""The worker as it runs: a process of its own between a real TUN and real sockets, told by a control process."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rigs.dataplane import Host, join
from rigs.packets import udp4, udp6
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw, raw

from appliance.linux import tun
from appliance.runtime.workers.process import WorkerProcess
from appliance.runtime.workers.telling import SessionKeys
from appliance.wire.envelope import PacketType, pack
from appliance.worker import zstd
from appliance_crypto_standard.plugin import AES_256_GCM, HSE
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns
DRIVER = "appliance_transport_ip.datagram:Datagrams"
OVERLAY = """
ip link set llp0 mtu 1400 up
ip addr add 10.8.0.2/24 dev llp0
"""

BEHIND = """
ip -6 addr add fd00:8::2/64 dev llp0 nodad
ip link add behind0 type veth peer name behind1
ip link set behind0 addrgenmode none up; ip link set behind1 addrgenmode none up
ip -6 addr add fd00:99::1/64 dev behind0 nodad
ip -6 neigh add fd00:99::2 lladdr 02:00:00:00:00:02 dev behind0
sysctl -q net.ipv6.conf.all.forwarding=1
"""


class Listener:
    """Hears the worker; `heard` is a queue of what it said."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.heard.put_nowait((name, *arguments))


class Bench:
    """A worker with the TUN llp0 (10.8.0.2), whose peer `a` (10.8.0.1) is a pipeline of the test behind a UDP socket."""

    def __init__(self, worker: WorkerProcess, listener: Listener, far: socket.socket) -> None:
        self.worker = worker
        self.listener = listener
        self.far = far
        self.a = Host("a")
        self.a.peer("b", ["10.8.0.2/32"])
        self.a.route({"10.8.0.2/32": "b"})
        mirror = Host("b")
        mirror.peer("a", ["10.8.0.1/32"])
        mirror.route({"10.8.0.1/32": "a"})
        self.wire, _ = join(self.a, mirror)

    def install(self, *, compression: bool = False) -> None:
        """The other half of the session that `join` made, in the worker. `compression`: what comes in may be compressed."""
        self.worker.put_peers([("a", [ipaddress.ip_network("10.8.0.1/32")], 0)])
        self.worker.change_routes([(ipaddress.ip_network("10.8.0.1/32"), "a")])
        self.worker.set_overlay([], hub=False)
        keys = SessionKeys(5, 5, "a", AES_256_GCM.name, bytes([6]) * 64, bytes([5]) * 64, compression)
        self.worker.add_session(keys, link=1, to=None, rotate_bytes=5_000_000)

    async def asked_where(self) -> None:
        """It was asked where it is, and has written that down, but nobody has read it."""
        assert self.worker.ask_where()
        await self.has_written("Stack")

    async def has_written(self, title: str) -> None:
        """It has written a stack with that title, to its end: a signal that comes before has none of its own."""
        wanted = re.compile(rf"{title}.*_run_module_as_main\n", re.DOTALL)
        async with asyncio.timeout(60):
            while not wanted.search(os.pread(self.worker._last_words, 16384, 0).decode(errors="replace")):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the memory is shared, nothing announces what is written there

    async def to_worker(self) -> None:
        """Send what the test's pipeline transmitted."""
        for record in self.wire.records:
            await asyncio.get_running_loop().sock_sendall(self.far, record)
        self.wire.records.clear()

    async def obeyed(self) -> None:
        """Everything told so far has been done: the answer to a message comes behind it."""
        self.worker.send_packet(1, None, b"obeyed?")
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.far, 100), 60) == b"obeyed?"

    async def from_worker(self) -> bytes:
        """Open the next record of the worker; the IP packet in it."""
        record = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.far, 65536), 60)
        self.a.take(record, self.wire)
        return self.a.packets[-1]


@asynccontextmanager
async def bench(*, compression: bool = False) -> AsyncIterator[Bench]:
    tun.create("llp0")
    await (await asyncio.create_subprocess_shell(OVERLAY)).wait()
    device = tun.attach("llp0")
    listener = Listener()
    worker = WorkerProcess(listener, 8)
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    try:
        near.bind(("127.0.0.1", 0))
        far.bind(("127.0.0.1", 0))
        near.connect(far.getsockname())
        far.connect(near.getsockname())
        far.settimeout(0)
        suites = [AES_256_GCM, HSE]
        await worker.start(device, suites=suites, drivers=[DRIVER], compression=compression)
        worker.add_link(1, near, DRIVER, {"datagram": 1400})
        yield Bench(worker, listener, far)
    finally:
        await worker.stop()
        worker.close()
        device.close()
        near.close()
        far.close()


@pytest.fixture
def inside() -> AsyncIterator[Callable[[Callable[[Bench], Awaitable[None]]], None]]:
    """Run a story with a bench in a namespace of its own."""
    with Throwaway() as namespace:

        async def told(story: Callable[[Bench], Awaitable[None]], options: dict[str, bool]) -> None:
            async with bench(**options) as made:
                await story(made)

        yield lambda story, **options: namespace.run(told, story, options)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_it_has_given_up_every_privilege_before_the_first_packet(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        status = status_of(made.worker.pid)
        assert status["Uid"].split() == ["65534"] * 4
        assert status["Gid"].split() == ["65534"] * 4
        assert status["Groups"].strip() == ""
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"

    inside(story)


def test_packets_cross_it_both_ways(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        made.install()
        await made.obeyed()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
            application.bind(("10.8.0.2", 9))
            application.settimeout(0)
            application.sendto(b"to the peer", ("10.8.0.1", 1007))
            assert (await made.from_worker())[28:] == b"to the peer"
            made.a.send(udp4(700, 7))
            await made.to_worker()
            data, source = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(application, 2000), 60)
            assert (data, source) == (bytes([7]) * 700, ("10.8.0.1", 1007))
        await made.obeyed()  # a packet is counted after the kernel has it
        counters = made.worker.session_counters(5)
        assert counters is not None
        assert (counters.rx_packets, counters.tx_packets) == (1, 1)
        assert made.worker.records(5) == (1, 1)

    inside(story)


def has_the_library(made: Bench) -> bool:
    return "_zstd" in Path(f"/proc/{made.worker.pid}/maps").read_text()


def test_a_worker_that_compresses_does_so_once_it_is_told(inside: Callable[..., None]) -> None:
    text = b"the same words again, " * 50

    async def story(made: Bench) -> None:
        assert has_the_library(made)
        made.install(compression=True)
        made.a.world.sessions[5].squeeze, made.a.world.sessions[5].inflate = zstd.codec()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
            application.bind(("10.8.0.2", 9))
            application.settimeout(0)
            for told in (False, True):
                if told:
                    made.worker.compress_session(5)
                await made.obeyed()
                application.sendto(text, ("10.8.0.1", 1007))
                assert (await made.from_worker())[28:] == text
                counters = made.worker.session_counters(5)
                assert counters is not None
                assert (counters.tx_saved > 900) is told
            made.a.send(udp4(700, 7))
            await made.to_worker()
            data, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(application, 2000), 60)
            assert data == bytes([7]) * 700
        await made.obeyed()
        counters = made.worker.session_counters(5)
        assert counters is not None
        assert counters.rx_saved > 600

    inside(story, compression=True)


def page_faults(made: Bench) -> int:
    return int(Path(f"/proc/{made.worker.pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_undoing_a_frame_does_not_fetch_its_memory_from_the_kernel_each_time(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        made.install(compression=True)
        await made.obeyed()
        made.a.world.sessions[5].squeeze = zstd.codec().squeeze

        async def hundred() -> int:
            before = page_faults(made)
            for mark in range(100):
                made.a.send(udp4(40000, mark))
                await made.to_worker()
            await made.obeyed()
            return page_faults(made) - before

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
            application.bind(("10.8.0.2", 9))
            await hundred()
            assert await hundred() < 100
        counters = made.worker.session_counters(5)
        assert counters is not None
        assert counters.rx_packets > 100  # the others found no room in the socket of a worker that was busy
        assert counters.rx_saved > counters.rx_packets * 38000

    inside(story, compression=True)


def test_a_worker_of_a_node_without_compression_never_loads_it(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        assert not has_the_library(made)
        made.install(compression=True)
        made.worker.compress_session(5)
        await made.obeyed()
        made.a.world.sessions[5].squeeze = zstd.codec().squeeze
        made.a.send(udp4(700, 7))
        await made.to_worker()
        while made.worker.drops().get("compressed") != 1:  # noqa: ASYNC110
            await asyncio.sleep(0)  # the counters are shared memory, nothing announces them
        await made.obeyed()

    inside(story)


def test_traffic_without_a_session_asks_for_one_and_goes_when_it_is_there(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        made.worker.put_peers([("a", [ipaddress.ip_network("10.8.0.1/32")], 0)])
        made.worker.change_routes([(ipaddress.ip_network("10.8.0.1/32"), "a")])
        made.worker.set_overlay([], hub=False)
        await made.obeyed()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
            application.sendto(b"first", ("10.8.0.1", 9))
            assert await asyncio.wait_for(made.listener.heard.get(), 60) == ("on_want", "a")
            made.install()
            assert (await made.from_worker())[28:] == b"first"

    inside(story)


def test_handshake_packets_go_up_and_down(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        packet = pack(3, 0, 0, 0, 0, 5) + b"hello"
        await asyncio.get_running_loop().sock_sendall(made.far, packet)
        assert await asyncio.wait_for(made.listener.heard.get(), 60) == ("on_packet", 1, None, packet)
        made.worker.send_packet(1, None, b"answer")
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(made.far, 100), 60) == b"answer"

    inside(story)


def test_a_session_whose_records_come_from_elsewhere_goes_where_it_went_until_it_is_told(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        made.install()
        loop, heard = asyncio.get_running_loop(), made.listener.heard
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shared,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application,
        ):
            application.bind(("10.8.0.2", 9))
            for each in (shared, elsewhere):
                each.bind(("127.0.0.1", 0))
                each.settimeout(0)
            made.worker.add_link(2, shared, DRIVER, {"datagram": 1400})
            await made.obeyed()
            made.a.send(udp4(10))
            await loop.sock_sendto(elsewhere, made.wire.records.pop(), shared.getsockname())
            assert await asyncio.wait_for(heard.get(), 60) == ("on_moved", 5, 2, elsewhere.getsockname())
            made.worker.send_challenge(5, PacketType.KEEP_ALIVE, 2, elsewhere.getsockname(), b"question")
            record = await asyncio.wait_for(loop.sock_recv(elsewhere, 2000), 60)
            made.a.take(record, made.wire)
            assert made.a.heard.messages == [(5, PacketType.KEEP_ALIVE, 0, b"question")]
            application.sendto(b"as before", ("10.8.0.1", 1007))
            assert (await made.from_worker())[28:] == b"as before"
            made.worker.move_session(5, link=2, to=elsewhere.getsockname())
            await made.obeyed()
            application.sendto(b"to the new place", ("10.8.0.1", 1007))
            made.a.take(await asyncio.wait_for(loop.sock_recv(elsewhere, 2000), 60), made.wire)
            assert made.a.packets[-1][28:] == b"to the new place"

    inside(story)


POISON = raw(IP(src="10.8.0.1", dst="10.8.0.2") / TCP() / Raw(bytes(29)))
NO_DATA_OFFSET = POISON[:32] + b"\0" + POISON[33:]


def test_no_record_of_a_peer_ends_it(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        made.install()
        await made.obeyed()
        pid = made.worker.pid
        made.a.send(NO_DATA_OFFSET, vnet=struct.pack("<BBHHHH", 1, 1, 65535, 48, 20, 16))
        made.a.outbound.message(made.a.world.sessions[5], 0, 0, b"of no type")
        await made.to_worker()
        await crosses(made)
        assert made.worker.pid == pid
        assert made.worker.drops()["malformed"] == 2
        assert made.listener.heard.empty()

    inside(story)


async def crosses(made: Bench) -> None:
    """A packet of the peer's gets to a program of this host."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
        application.bind(("10.8.0.2", 9))
        application.settimeout(0)
        made.a.send(udp4(700, 7))
        await made.to_worker()
        data, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(application, 2000), 60)
        assert data == bytes([7]) * 700


def test_what_raises_by_a_mistake_of_ours_is_counted_told_and_survived(inside: Callable[..., None]) -> None:
    """An index of 25 bits fits no header: nothing can be sent in that session. Nothing that comes in gets that far any more."""

    async def story(made: Bench) -> None:
        made.install()
        keys = SessionKeys(6, 1 << 24, "a", AES_256_GCM.name, bytes([9]) * 64, bytes([8]) * 64)
        made.worker.add_session(keys, link=1, to=None, rotate_bytes=5_000_000)
        await made.obeyed()
        pid = made.worker.pid
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
            application.sendto(b"first", ("10.8.0.1", 9))
            heard = await asyncio.wait_for(made.listener.heard.get(), 60)
            assert (heard[0], heard[2]) == ("on_raised", 1)
            assert str(heard[1]).startswith("error at loop.py:"), "where, and not what was in it"
            application.sendto(b"second", ("10.8.0.1", 9))
        made.worker.send_message(6, 5, 0, b"third")
        await made.obeyed()
        await crosses(made)
        while made.worker.drops().get("raised") != 3:  # noqa: ASYNC110
            await asyncio.sleep(0)  # the counters are shared memory, nothing announces them
        assert made.worker.pid == pid
        assert made.listener.heard.empty(), "not a word a packet"

    inside(story)


def test_a_forwarding_kernel_is_not_made_to_write_over_an_address(inside: Callable[..., None]) -> None:
    """The peer asks for a checksum to be written over the last bytes of the IPv6 source, which was judged already."""

    async def story(made: Bench) -> None:
        await (await asyncio.create_subprocess_shell(BEHIND)).wait()
        made.worker.put_peers([("a", [ipaddress.ip_network("fd00:8::/64")], 0)])
        made.worker.change_routes([(ipaddress.ip_network("fd00:8::1/128"), "a")])
        made.worker.set_overlay([], hub=False)
        keys = SessionKeys(5, 5, "a", AES_256_GCM.name, bytes([6]) * 64, bytes([5]) * 64)
        made.worker.add_session(keys, link=1, to=None, rotate_bytes=5_000_000)
        await made.obeyed()
        made.a.route({"fd00::/16": "b"})
        packet = udp6(100, destination="fd00:99::2")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD)) as beyond:
            beyond.bind(("behind1", 0x86DD))
            beyond.settimeout(0)
            made.a.send(packet, vnet=struct.pack("<BBHHHH", 1, 0, 0, 0, 20, 2))
            await made.to_worker()
            while True:
                frame = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(beyond, 2000), 60)
                if frame[20] == 17:
                    break
        assert frame[14 + 8 : 14 + 40] == packet[8:40], "both addresses"
        assert frame[14 + 40 :] == packet[40:]

    inside(story)


def test_what_it_says_may_fail_here_and_the_next_is_heard(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        packet = pack(3, 0, 0, 0, 0, 5) + b"hello"
        made.listener.on_packet = lambda *_: 1 // 0
        await asyncio.get_running_loop().sock_sendall(made.far, packet)
        heard, error = await asyncio.wait_for(made.listener.heard.get(), 60)
        assert (heard, type(error)) == ("on_misheard", ZeroDivisionError)
        del made.listener.on_packet
        await asyncio.get_running_loop().sock_sendall(made.far, packet)
        assert await asyncio.wait_for(made.listener.heard.get(), 60) == ("on_packet", 1, None, packet)

    inside(story)


def test_its_death_is_noticed(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        os.kill(made.worker.pid, signal.SIGKILL)
        assert await asyncio.wait_for(made.listener.heard.get(), 60) == ("on_exit", -signal.SIGKILL)

    inside(story)


def test_where_it_was_for_a_profile_is_not_what_it_died_of(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        await made.asked_where()
        os.kill(made.worker.pid, signal.SIGKILL)
        assert await asyncio.wait_for(made.listener.heard.get(), 60) == ("on_exit", -signal.SIGKILL), "no plugin is blamed"
        assert not made.worker.ask_where(), "it has ended"
        assert made.worker.where() == ""

    inside(story)


def test_a_crash_while_it_is_profiled_is_told_by_its_last_words_alone(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        words: list[str] = []

        def hear(stack: str, *, hung: bool) -> None:
            assert not hung
            words.append(stack)

        made.listener.on_last_words = hear
        await made.asked_where()
        os.kill(made.worker.pid, signal.SIGSEGV)
        await made.has_written("Fatal Python error")
        os.kill(made.worker.pid, signal.SIGKILL)  # a signal that was sent, unlike a fault, comes once
        assert await asyncio.wait_for(made.listener.heard.get(), 60) == ("on_exit", -signal.SIGKILL)
        assert words[0].startswith("Fatal Python error")
        assert "loop.py" in words[0]

    inside(story)


def test_a_peer_taken_away_leaves_its_routes(inside: Callable[..., None]) -> None:
    async def story(made: Bench) -> None:
        made.install()
        made.worker.change_routes([], [ipaddress.ip_network("10.8.0.1/32")])
        made.worker.drop_session(5)
        made.worker.drop_peers(["a"])
        await made.obeyed()
        made.a.send(udp4(10))
        await made.to_worker()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
            application.sendto(b"x", ("10.8.0.1", 9))
        while not {"no_route", "unknown_session"} <= set(made.worker.drops()):  # noqa: ASYNC110
            await asyncio.sleep(0)  # the counters are shared memory, nothing announces them
        assert made.worker.session_counters(5) is None

    inside(story)


def test_what_cannot_be_imported_is_named_and_the_worker_runs() -> None:
    async def story() -> None:
        tun.create("llp0")
        device = tun.attach("llp0")
        worker = WorkerProcess(Listener(), 1)
        try:
            await worker.start(device, suites=[], drivers=["nowhere.to.be:Found"])
            assert worker.broken == {"nowhere.to.be:Found": "ModuleNotFoundError: No module named 'nowhere'"}
        finally:
            await worker.stop()
            device.close()
            worker.close()

    with Throwaway() as namespace:
        namespace.run(story)
