"""Two real workers, a (10.8.0.1) and b (10.8.0.2), on socket pairs instead of TUNs, with a session over loopback UDP. No root.

Run as a program it sends one packet each way and says as what user, so that this can be tried without privileges:
`unshare --user python -m tests.rigs.workers`
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from appliance.runtime.workers.packet_device import PairDevice, packet_pair
from appliance.runtime.workers.process import WorkerProcess
from appliance.runtime.workers.telling import SessionKeys
from appliance_crypto_standard.plugin import AES_256_GCM

DATAGRAMS, STREAMS = "appliance_transport_ip.datagram:Datagrams", "appliance.api.stream:Stream"
INSIDE = {"a": ipaddress.ip_network("10.8.0.1/32"), "b": ipaddress.ip_network("10.8.0.2/32")}
SESSION, LINK = 5, 1
SECONDS = 60.0
"""How long anything here may take."""


class Listener:
    """Hears a worker; `heard` is a queue of what it said."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: self.heard.put_nowait((name, *arguments, *named.values()))

    async def next(self, name: str) -> tuple[object, ...]:
        """The arguments of the next call of that name."""
        while True:
            said, *arguments = await asyncio.wait_for(self.heard.get(), SECONDS)
            if said == name:
                return tuple(arguments)


class Side:
    """One worker, the application's end of its device, and its transport socket."""

    def __init__(self, name: str, sock: socket.socket, *, vnet: bool) -> None:
        self.name = name
        self.sock = sock
        self.listener = Listener()
        self.worker = WorkerProcess(self.listener, 8)
        self.device: PairDevice
        self.device, self.application = packet_pair(vnet_hdr=vnet)
        self.application.settimeout(0)

    async def start(self) -> None:
        await self.worker.start(self.device, suites=[AES_256_GCM], drivers=[DATAGRAMS, STREAMS])

    def know(self, other: Side, *, hub: bool = False) -> None:
        """The other one is this one's peer, with its address and a session."""
        self.worker.put_peers([(other.name, [INSIDE[other.name]], 0)])
        stream = self.sock.type == socket.SOCK_STREAM
        driver, options = (STREAMS, {}) if stream else (DATAGRAMS, {"datagram": 1400})
        self.worker.add_link(LINK, self.sock, driver, options, remote=self.sock.getpeername())
        self.install(other.name, SESSION)
        self.worker.change_routes([(INSIDE[other.name], other.name)])
        self.worker.set_overlay([], hub=hub)

    def install(self, peer: str, number: int) -> None:
        """A session of that number, which both sides use for each other."""
        chains = bytes([number]) * 64, bytes([number + 1]) * 64
        send, receive = chains if self.name < peer else chains[::-1]
        keys = SessionKeys(number, number, peer, AES_256_GCM.name, send, receive)
        self.worker.add_session(keys, link=LINK, to=None, rotate_bytes=5_000_000)

    async def send(self, *packets: bytes) -> None:
        """As an application does."""
        for packet in packets:
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.application, packet), SECONDS)

    async def receive(self) -> bytes:
        """The next packet; b"" once the device has ended."""
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.application, 70000), SECONDS)

    async def obeyed(self) -> None:
        """All that was told so far has been done."""
        number = self.worker.beat() + 1
        self.worker.ask(number)
        await until(lambda: self.worker.beat() == number)

    async def stop(self) -> None:
        await self.worker.stop()
        self.worker.close()
        self.device.close()
        self.application.close()
        self.sock.close()


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nothing announces, such as counters in shared memory."""
    async with asyncio.timeout(SECONDS):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


@asynccontextmanager
async def joined(*, vnet: bool = False, stream: bool = False) -> AsyncIterator[tuple[Side, Side]]:
    """Both, knowing each other."""
    async with AsyncExitStack() as stack:
        one, other = connection() if stream else datagrams()
        sides = Side("a", one, vnet=vnet), Side("b", other, vnet=vnet)
        for side in sides:
            stack.push_async_callback(side.stop)
            await side.start()
        for side, other in (sides, sides[::-1]):
            side.know(other)
        for side in sides:
            await side.obeyed()
        yield sides


def datagrams() -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on loopback, connected with each other."""
    ends = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for end in ends:
        end.bind(("127.0.0.1", 0))
    for end, other in (ends, ends[::-1]):
        end.connect(other.getsockname())
    return ends


def connection() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near, server.accept()[0]


def packet(source: str, destination: str, payload: bytes) -> bytes:
    """A UDP packet without checksum."""
    from scapy.layers.inet import IP, UDP
    from scapy.packet import Raw, raw

    return raw(IP(src=source, dst=destination) / UDP(sport=1, dport=9, chksum=0) / Raw(payload))


def capabilities(pid: int) -> Iterable[int]:
    """What a process may do."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [int(line.split()[1], 16) for line in lines if line.startswith("Cap") and not line.startswith("CapBnd")]


async def _story() -> None:
    async with joined() as (a, b):
        there, back = packet("10.8.0.1", "10.8.0.2", b"there"), packet("10.8.0.2", "10.8.0.1", b"back")
        await a.send(there)
        await b.send(back)
        assert (await b.receive(), await a.receive()) == (there, back)
        assert not any(capabilities(a.worker.pid))
        print(f"carried both ways as user {os.geteuid()}")


if __name__ == "__main__":
    logging.basicConfig()
    asyncio.run(_story())
