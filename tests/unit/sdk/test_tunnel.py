"""Tunnels over real sockets of this host; streams to the peer are connections to a server here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from appliance.sdk import Connection, ConnectionLost, Datagrams, PeerUnreachable, ServiceNotFound
from appliance.sdk.local.flows import exchange
from appliance.sdk.local.tunnel import Tunnel
from appliance.sdk.sockets import BadAddress, address_of

LOCAL = ("127.0.0.1", 0)


class Peer:
    """A client whose peer is a server of this host: it says all back, in capitals, and ends when the caller does."""

    def __init__(self) -> None:
        self.failing = 0
        """So many attempts do not reach it."""
        self.gone = False
        self.ends: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(self, to: str, service: str | int, *, deadline: float = 0) -> Connection:
        """As a client."""
        assert (to, service) == ("laptop", "web")
        assert deadline > 0
        if self.gone:
            raise ServiceNotFound("laptop has no service web")
        if self.failing:
            self.failing -= 1
            raise PeerUnreachable("not now")
        ours, theirs = socket.socketpair(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        reader, writer = await asyncio.open_connection(sock=theirs)
        self.tasks.append(asyncio.get_running_loop().create_task(self._serve(reader, writer)))
        return Connection(ours, {"peer": to})

    async def connect_datagrams(self, to: str, service: str | int, *, deadline: float = 0) -> Datagrams:
        """As a client: whoever is called says all back, in capitals."""
        assert deadline > 0
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.tasks.append(asyncio.get_running_loop().create_task(_shout(Datagrams(theirs, {}))))
        return Datagrams(ours, {"peer": to})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(4096):
                writer.write(piece.upper())
            self.ends.append(b"end")
            writer.write(b"bye")
        except ConnectionError:
            self.ends.append(b"broken off")
        writer.close()


async def _shout(datagrams: Datagrams) -> None:
    async with datagrams:
        with suppress(ConnectionLost):
            while said := await datagrams.receive():
                await datagrams.send(said.upper())


@asynccontextmanager
async def local(tunnel: Tunnel) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A program of this host that is connected with the tunnel's port."""
    reader, writer = await asyncio.open_connection(*tunnel.local_address)
    yield reader, writer
    writer.close()


async def test_bytes_go_both_ways_and_each_end_is_passed_on() -> None:
    peer = Peer()
    async with Tunnel(peer, "laptop", "web", local=LOCAL) as tunnel:
        assert tunnel.remote_address == ("laptop", "web")
        async with local(tunnel) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"HELLO"
            writer.write_eof()
            assert await reader.read() == b"bye", "one direction has ended, and the other goes on"
        assert peer.ends == [b"end"]
        metrics = tunnel.metrics
        assert (metrics.connections, metrics.bytes_sent, metrics.bytes_received, metrics.errors) == (1, 5, 8, 0)


async def test_what_breaks_off_is_broken_off_on_the_other_side() -> None:
    peer = Peer()
    async with Tunnel(peer, "laptop", "web", local=LOCAL) as tunnel:
        async with local(tunnel) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
        [address] = {tunnel.local_address}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_a_peer_that_is_away_for_a_moment_is_tried_again() -> None:
    peer = Peer()
    peer.failing = 2
    async with Tunnel(peer, "laptop", "web", local=LOCAL) as tunnel, local(tunnel) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"X"
        assert tunnel.metrics.reconnects == 2


async def test_what_can_never_be_is_said_at_once_and_the_program_sees_a_reset() -> None:
    peer, said = Peer(), []
    peer.gone = True
    async with Tunnel(peer, "laptop", "web", local=LOCAL, failed=said.append) as tunnel, local(tunnel) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        assert [str(error) for error in said] == ["laptop has no service web"]
        assert tunnel.metrics.errors == 1


async def test_many_connections_and_the_end_of_the_tunnel() -> None:
    peer = Peer()
    async with Tunnel(peer, "laptop", "web", local=LOCAL) as tunnel:
        open_ones = [await asyncio.open_connection(*tunnel.local_address) for _ in range(50)]
        for number, (_, writer) in enumerate(open_ones):
            writer.write(b"n%02d" % number)
        assert [await reader.readexactly(3) for reader, _ in open_ones] == [b"N%02d" % number for number in range(50)]
        assert tunnel.metrics.open == 50
    for reader, writer in open_ones:
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_each_local_sender_of_datagrams_has_a_flow_of_its_own() -> None:
    loop = asyncio.get_running_loop()
    async with Tunnel(Peer(), "laptop", "dns", local=LOCAL, datagrams=True) as tunnel:
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(3)]
        for number, sender in enumerate(senders):
            await loop.sock_sendto(sender, b"from %d" % number, tunnel.local_address)
        assert [await loop.sock_recv(sender, 100) for sender in senders] == [b"FROM 0", b"FROM 1", b"FROM 2"]
        assert (tunnel.metrics.connections, tunnel.metrics.bytes_sent, tunnel.metrics.bytes_received) == (3, 18, 18)
        for sender in senders:
            sender.close()


async def test_an_exchange_of_datagrams_ends_when_nothing_is_said() -> None:
    pairs = [socket.socketpair(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2)]
    outer = [Datagrams(pair[1], {}) for pair in pairs]
    async with Datagrams(pairs[0][0], {}) as one, Datagrams(pairs[1][0], {}) as other, outer[0], outer[1]:
        await outer[0].send(b"said")
        await exchange(one, other, idle=0.05)
        assert await outer[1].receive() == b"said"


@pytest.mark.parametrize(
    ("text", "address"),
    [("80", ("127.0.0.1", 80)), ("[::1]:80", ("::1", 80)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("localhost:0", ("127.0.0.1", 0))],
)
def test_addresses_as_people_write_them(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "a:1", "127.0.0.1", "127.0.0.1:99999", ":80x", "١"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadAddress):
        address_of(text)


async def test_a_port_in_use_is_said() -> None:
    with socket.create_server(LOCAL) as taken:
        tunnel = Tunnel(Peer(), "laptop", "web", local=taken.getsockname())
        with pytest.raises(BadAddress, match="cannot be had"):
            tunnel.start()
