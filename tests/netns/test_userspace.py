"""The kernel's TCP as the judge of ours: sockets of a throw-away namespace on one side, an endpoint on the other."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address, ip_interface

import pytest
from rigs.tun_peer import KERNEL, KERNEL6, OURS, OURS6, TunPeer

from appliance.linux.unread import unread_bytes
from appliance.runtime.userspace.endpoint import Endpoint
from appliance.tcp.counted import Count
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns
SECONDS = 120.0
PORT = 842
FAMILIES = {4: (socket.AF_INET, KERNEL, OURS), 6: (socket.AF_INET6, KERNEL6, OURS6)}


class Judged:
    """An endpoint with the kernel as its only peer."""

    def __init__(self, peer: TunPeer) -> None:
        self.peer = peer
        self.loop = asyncio.get_running_loop()
        self.endpoint = Endpoint([ip_interface(f"{OURS}/24"), ip_interface(f"{OURS6}/64")], 1400)
        self.endpoint.use_device(peer.device)
        self.came: asyncio.Queue[socket.socket] = asyncio.Queue()
        self.endpoint.listen(PORT, lambda came, _address, _port: self.came.put_nowait(came))

    async def called(self, version: int = 4) -> tuple[socket.socket, socket.socket]:
        """Ours and the kernel's end of a connection that the kernel opened."""
        family, _, ours = FAMILIES[version]
        kernels = self.peer.socket(family, socket.SOCK_STREAM)
        await self.loop.sock_connect(kernels, (ours, PORT))
        return await self.came.get(), kernels

    async def call(self, version: int = 4) -> tuple[socket.socket, socket.socket]:
        """The same for one that we open."""
        family, kernel, _ = FAMILIES[version]
        with self.peer.socket(family, socket.SOCK_STREAM) as listener:
            listener.bind((kernel, 0))
            listener.listen()
            accepting = self.loop.create_task(self.loop.sock_accept(listener))
            ours = await self.endpoint.connect(ip_address(kernel).packed, listener.getsockname()[1])
            kernels, _ = await accepting
            return ours, kernels


@contextlib.asynccontextmanager
async def judged(namespace: Throwaway) -> AsyncIterator[Judged]:
    peer = TunPeer(namespace)
    with peer:
        made = Judged(peer)
        try:
            async with asyncio.timeout(SECONDS):
                yield made
        finally:
            made.endpoint.end()
            made.endpoint.leave_device()


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110  what is waited for happens in sockets
        await asyncio.sleep(0)


async def moved(source: socket.socket, target: socket.socket, data: bytes) -> bytes:
    """Send all of it and the end; what came."""
    loop = asyncio.get_running_loop()

    async def write() -> None:
        await loop.sock_sendall(source, data)
        source.shutdown(socket.SHUT_WR)

    writing = loop.create_task(write())
    found = bytearray()
    while piece := await loop.sock_recv(target, 1 << 18):
        found += piece
    await writing
    return bytes(found)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("lost", [0, 2])
async def test_bytes_arrive_whole_in_both_directions(namespace: Throwaway, version: int, lost: int) -> None:
    data, back = os.urandom(4_000_000), os.urandom(1_000_000)
    async with judged(namespace) as there:
        if lost:
            rule = f"numgen random mod 100 < {lost} drop"
            namespace.sh(
                "nft 'add table inet bad; add chain inet bad in { type filter hook input priority 0; }; "
                f"add chain inet bad out {{ type filter hook output priority 0; }}; add rule inet bad in {rule}; "
                f"add rule inet bad out {rule}'"
            )
        for opened in (there.call, there.called):
            ours, kernels = await opened(version)
            with ours, kernels:
                assert await moved(ours, kernels, data) == data, "we end first, and the kernel goes on"
                assert await moved(kernels, ours, back) == back


async def test_what_the_other_side_did_is_told_apart(namespace: Throwaway) -> None:
    async with judged(namespace) as there:
        for breaks_off in ("kernel", "we"):
            for opened in (there.call, there.called):
                ours, kernels = await opened()
                first, second = (kernels, ours) if breaks_off == "kernel" else (ours, kernels)
                with first, second:
                    await there.loop.sock_sendall(second, b"unread")
                    await until(functools.partial(unread_bytes, first.fileno()))
                    first.close()
                    with pytest.raises(ConnectionResetError):
                        await there.loop.sock_recv(second, 1)
        with there.peer.socket(socket.AF_INET, socket.SOCK_STREAM) as nobody, pytest.raises(ConnectionRefusedError):
            await there.loop.sock_connect(nobody, (OURS, 1))
        with pytest.raises(ConnectionRefusedError):
            await there.endpoint.connect(ip_address(KERNEL).packed, 1)


async def test_neither_side_sends_what_the_other_does_not_read(namespace: Throwaway) -> None:
    """Windows shut, are probed, and open again."""
    async with judged(namespace) as there:
        for version in FAMILIES:
            ours, kernels = await there.call(version)
            with ours, kernels:
                for source, target in ((ours, kernels), (kernels, ours)):
                    data, left = bytes(24 << 20), 24 << 20
                    sending = there.loop.create_task(there.loop.sock_sendall(source, data))
                    probed = there.endpoint.stack.counts[Count.PROBED]
                    if source is ours:
                        await until(functools.partial(_probed, there, probed + 2))
                    assert not sending.done()
                    while left:
                        left -= len(await there.loop.sock_recv(target, 1 << 18))
                    await sending
                await until(lambda: not there.endpoint.stack.memory.used)


def _probed(there: Judged, often: int) -> bool:
    return there.endpoint.stack.counts[Count.PROBED] >= often


async def test_a_thousand_connections_at_once(namespace: Throwaway) -> None:
    async with judged(namespace) as there:
        with there.peer.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((KERNEL, 5000))
            listener.listen(1024)
            wanted = [there.endpoint.connect(ip_address(KERNEL).packed, 5000) for _ in range(500)]
            ours = await asyncio.gather(*wanted)
            kernels = [(await there.loop.sock_accept(listener))[0] for _ in ours]
            for _ in range(500):
                there_is, kernel = await there.called()
                ours.append(there_is)
                kernels.append(kernel)
        assert there.endpoint.figures()["connections"] == 1000
        for number, one in enumerate(ours):
            await there.loop.sock_sendall(one, number.to_bytes(4, "big"))
            one.close()
        found = set()
        for kernel in kernels:
            kernel.settimeout(0)
            found.add(int.from_bytes(await there.loop.sock_recv(kernel, 16), "big"))
            assert await there.loop.sock_recv(kernel, 16) == b""
            kernel.close()
        assert found == set(range(1000))
        await until(lambda: not there.endpoint._open)
        assert there.endpoint.stack.memory.used == 0


async def test_foreign_programs_find_nothing_odd(namespace: Throwaway) -> None:
    async with judged(namespace) as there:

        async def serve() -> None:
            came = await there.came.get()
            with came:
                asked = await there.loop.sock_recv(came, 4096)
                assert asked.startswith(b"GET /file HTTP/1.1")
                body = bytes(3_000_000)
                await there.loop.sock_sendall(came, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                while await there.loop.sock_recv(came, 1):
                    pass

        serving = there.loop.create_task(serve())
        curl = await asyncio.to_thread(
            there.peer.popen(
                *("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", f"http://{OURS}:{PORT}/file"),
                stdout=subprocess.PIPE,
            ).communicate
        )
        assert curl[0] == b"200 3000000"
        await serving
        await asyncio.to_thread(namespace.sh, f"ping -q -c 2 -i 0.2 {OURS} && ping -q -c 2 -i 0.2 {OURS6}")


async def test_datagrams_to_and_from_the_kernel(namespace: Throwaway) -> None:
    async with judged(namespace) as there:
        for version in FAMILIES:
            family, kernel, ours = FAMILIES[version]
            with there.peer.socket(family, socket.SOCK_DGRAM) as theirs:
                theirs.bind((kernel, 0))
                asking = there.endpoint.connect_datagrams(ip_address(kernel).packed, theirs.getsockname()[1])
                with asking:
                    for size in (1, 1000, 40_000):
                        asking.send(bytes(size))
                        data, source = await there.loop.sock_recvfrom(theirs, 65536)
                        assert len(data) == size
                    await there.loop.sock_sendto(theirs, b"answer", source)
                    assert await there.loop.sock_recv(asking, 100) == b"answer"
                await there.loop.sock_sendto(theirs, b"nobody", (ours, 99))
                theirs.connect((ours, 99))
                await there.loop.sock_sendall(theirs, b"nobody")
                with pytest.raises(ConnectionRefusedError):
                    await there.loop.sock_recv(theirs, 1)
