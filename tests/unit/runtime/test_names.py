"""The names of peers as programs hear them: the zone, the book behind it, and the server with a world outside."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rigs.name_server import WORLD, listening
from rigs.name_server import NameServer as World
from scapy.layers.dns import DNS, DNSQR

from appliance.errors import HostError
from appliance.runtime.names.book import Book
from appliance.runtime.names.forwarder import Forwarder
from appliance.runtime.names.server import PEERS_CONNECTIONS, PEERS_RATE, RATE, NameServer
from appliance.runtime.names.sockets import Bound, bind
from appliance.runtime.names.zone import Zone
from appliance.runtime.peers.table import PeerEntry, PeerTable
from appliance.wire.dns_service import read_question
from tests.netns.profiles import IDENTITY, profile

LOCAL = ipaddress.ip_address("127.0.0.1")


def peer(name: str, *allowed: str, last: str = "a") -> PeerEntry:
    return PeerEntry(name, IDENTITY[:-1] + last, allowed=tuple(map(ipaddress.ip_network, allowed)))


def book(*peers: PeerEntry) -> Book:
    return Book(PeerTable(peers), lambda: "Here", profile())


def texts(found: Any) -> list[str]:
    return [str(address) for address in found]


class TestBook:
    def test_a_peer_has_its_addresses_in_the_networks_of_the_node(self) -> None:
        found = book(peer("Laptop", "10.8.0.2/32", "192.168.5.7/32", "fd00:8::2/128", "10.30.0.0/16"))
        assert texts(found.lookup("laptop")) == ["10.8.0.2", "fd00:8::2"]
        assert found.reverse(ipaddress.ip_address("10.8.0.2")) == "laptop"
        assert not found.reverse(ipaddress.ip_address("192.168.5.7"))

    def test_or_else_its_first_single_ones(self) -> None:
        assert texts(book(peer("far", "10.9.0.2/32", "10.9.0.3/32", "fd09::2/128")).lookup("far")) == ["10.9.0.2", "fd09::2"]
        assert not book(peer("site", "10.30.0.0/16")).lookup("site"), "no address of the peer's own is known"

    def test_this_node_has_a_name_too_which_may_change(self) -> None:
        called = ["Here"]
        found = Book(PeerTable(), lambda: called[0], profile())
        assert texts(found.lookup("here")) == ["10.8.0.1", "fd00:8::1"]
        called[0] = "there"
        assert not found.lookup("here")
        assert found.reverse(ipaddress.ip_address("10.8.0.1")) == "there"
        called[0] = ""
        assert not found.reverse(ipaddress.ip_address("10.8.0.1")), "it has no certificate any more"

    def test_it_follows_the_table(self) -> None:
        table = PeerTable()
        found = Book(table, lambda: "me", profile())
        assert not found.lookup("late")
        table.add(peer("late", "10.8.0.9/32"))
        assert texts(found.lookup("late")) == ["10.8.0.9"]
        table.drop("late")
        assert not found.lookup("late")


def zone(*peers: PeerEntry) -> Zone:
    known = book(*peers)
    networks = [ipaddress.ip_network("10.8.0.0/24"), ipaddress.ip_network("fd00:8::/64")]
    return Zone("home", networks, known.lookup, known.reverse)


class TestZone:
    def ask(self, name: str, kind: str = "A", of: Zone | None = None) -> DNS | None:
        question = read_question(bytes(DNS(id=1, qd=[DNSQR(qname=name, qtype=kind)])))
        said = (of or zone(peer("laptop", "10.8.0.2/32", "fd00:8::2/128"))).answer(question)
        return None if said is None else DNS(said)

    @pytest.mark.parametrize(
        ("name", "kind", "expected"),
        [
            ("laptop.home", "A", ["10.8.0.2"]),
            ("LAPTOP.Home.", "AAAA", ["fd00:8::2"]),
            ("laptop.home", "ALL", ["10.8.0.2", "fd00:8::2"]),
            ("laptop.home", "MX", []),
            ("home", "A", []),
            ("2.0.8.10.in-addr.arpa", "PTR", [b"laptop.home."]),
            (ipaddress.ip_address("fd00:8::2").reverse_pointer, "PTR", [b"laptop.home."]),
            ("2.0.8.10.in-addr.arpa", "A", []),
        ],
    )
    def test_names_that_there_are(self, name: str, kind: str, expected: list[Any]) -> None:
        heard = self.ask(name, kind)
        assert heard is not None
        assert (heard.rcode, [record.rdata for record in heard.an or ()]) == (0, expected)

    @pytest.mark.parametrize("name", ["nobody.home", "a.laptop.home", "9.0.8.10.in-addr.arpa"])
    def test_names_that_there_are_not(self, name: str) -> None:
        heard = self.ask(name, "PTR" if "arpa" in name else "A")
        assert heard is not None
        assert (heard.rcode, heard.aa, heard.ancount) == (3, 1, 0)

    @pytest.mark.parametrize(
        "name",
        ["world.example", "laptop.homes", "athome", "1.1.168.192.in-addr.arpa", "8.10.in-addr.arpa", "x.0.8.10.in-addr.arpa",
         "1.2.3.4.5.in-addr.arpa", "1.ip6.arpa", "300.0.8.10.in-addr.arpa"],
    )  # fmt: skip
    def test_names_of_others(self, name: str) -> None:
        assert self.ask(name) is None


class Asking:
    """A server at the loopback address, with a world outside."""

    def __init__(self, world: World, port: int, server: NameServer, counted: Counter[str]) -> None:
        self.world, self.port, self.server, self.counted = world, port, server, counted

    async def udp(self, name: str, source: str = "127.0.0.1") -> DNS | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.bind((source, 0))
            asking.connect(("127.0.0.1", self.port))
            asking.settimeout(60)
            asking.send(bytes(DNS(id=3, qd=[DNSQR(qname=name)])))
            return DNS(await asyncio.to_thread(asking.recv, 4096))

    async def tcp(self, *names: str) -> list[DNS]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for name in names:
            message = bytes(DNS(id=4, qd=[DNSQR(qname=name)]))
            writer.write(len(message).to_bytes(2, "big") + message)
        found = [DNS(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))) for _ in names]
        writer.close()
        return found


class OtherPort(Forwarder):
    """The world's server has no privileged port."""

    world_port = 0

    async def ask(self, message: bytes, asked: Any, *, tcp: bool, port: int = 0) -> bytes | None:
        return await super().ask(message, asked, tcp=tcp, port=self.world_port)


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    counted: Counter[str] = Counter()
    with World(*listening("127.0.0.1", 0), truncates=True) as world:
        forwarder = OtherPort(lambda: ["127.0.0.1"], counted)
        forwarder.world_port = world.port
        bound = Bound(*listening("127.0.0.1", 0))
        for each in bound:
            each.settimeout(0)
        server = NameServer(bound, zone(peer("laptop", "10.8.0.2/32")), forwarder, counted)
        await server.start()
        try:
            yield Asking(world, bound.udp.getsockname()[1], server, counted)
        finally:
            await server.close()


class TestServer:
    async def test_names_of_the_zone_are_answered_here_and_others_elsewhere(self, asking: Asking) -> None:
        heard = await asking.udp("laptop.home")
        assert heard is not None
        assert heard.an[0].rdata == "10.8.0.2"
        assert asking.world.asked == []
        short = await asking.udp("world.example")
        assert short is not None
        assert (short.id, short.tc, short.ancount) == (3, 1, 0), "what the other server truncates comes by TCP"
        world, laptop = await asking.tcp("world.example", "laptop.home")
        assert (world.id, world.an[0].rdata, laptop.an[0].rdata) == (4, WORLD, "10.8.0.2")
        assert asking.world.asked == ["world.example", "world.example"]
        assert asking.counted == {"answered": 2, "passed-on": 2}

    async def test_peers_get_names_of_peers_if_they_may_ask_at_all(self, asking: Asking) -> None:
        asking.server.peers = True
        heard, other = await asking.udp("laptop.home", "127.0.0.2"), await asking.udp("world.example", "127.0.0.2")
        assert heard is not None and other is not None  # noqa: PT018
        assert (heard.rcode, other.rcode) == (0, 5)
        assert asking.world.asked == []
        asking.server.peers = False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.sendto(bytes(DNS(id=3, qd=[DNSQR(qname="laptop.home")])), ("127.0.0.1", asking.port))
        await asking.udp("laptop.home")
        assert asking.counted["not-for-peers"] == 1

    async def test_a_flood_is_dropped_and_counted(self, asking: Asking) -> None:
        bucket = asking.server._bucket
        bucket._rate = 0.0  # else a machine on which a turn takes a millisecond never exceeds it
        bucket.take(bucket._updated, RATE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flooding:
            flooding.connect(("127.0.0.1", asking.port))
            while not asking.counted["rate-limited"]:
                flooding.send(bytes(DNS(id=3, qd=[DNSQR(qname="laptop.home")])))
                await asyncio.sleep(0)

    async def test_peers_take_nothing_that_is_this_hosts(self, asking: Asking) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", asking.port, local_addr=("127.0.0.2", 0))
        assert await reader.read() == b"", "they may not ask"
        writer.close()
        asking.server.peers = True
        asking.server._peers_bucket.take(asking.server._peers_bucket._updated, PEERS_RATE)
        held = [
            await asyncio.open_connection("127.0.0.1", asking.port, local_addr=("127.0.0.2", 0))
            for _ in range(PEERS_CONNECTIONS + 1)
        ]
        assert await held[-1][0].read() == b"", "one too many"
        [heard] = await asking.tcp("laptop.home")
        assert heard.an[0].rdata == "10.8.0.2"
        assert await asking.udp("laptop.home") is not None
        assert (asking.counted["not-for-peers"], asking.counted["too-many-connections"]) == (1, 1)
        for _, open_one in held:
            open_one.close()

    async def test_rubbish_is_counted_and_ends_a_connection(self, asking: Asking) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", asking.port)
        writer.write(b"\xff\xff" + b"x" * 100)
        assert await reader.read() == b""
        writer.close()
        assert asking.counted["malformed"] == 1

    async def test_when_nobody_outside_answers_that_is_said(self, asking: Asking) -> None:
        asking.server._forwarder.use(list)
        heard = await asking.udp("world.example")
        assert heard is not None
        assert heard.rcode == 2
        assert asking.counted["unanswered"] == 1


async def test_with_ipv6_it_is_the_same() -> None:
    bound = bind(ipaddress.ip_address("::1"), 0)
    server = NameServer(bound, zone(peer("laptop", "10.8.0.2/32")), Forwarder(list, counted := Counter()), counted)
    await server.start()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        asking.settimeout(60)
        asking.connect(bound.udp.getsockname())
        asking.send(bytes(DNS(id=3, qd=[DNSQR(qname="laptop.home")])))
        assert DNS(await asyncio.to_thread(asking.recv, 4096)).an[0].rdata == "10.8.0.2"
    await server.close()


def test_a_port_that_cannot_be_had_says_what_to_do() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(HostError, match="Address already in use") as caught:
            bind(LOCAL, other.getsockname()[1])
    assert "names: {host: off}" in caught.value.hint


async def test_a_guess_is_no_answer_and_the_next_server_is_asked_when_one_is_gone() -> None:
    counted: Counter[str] = Counter()
    with World(*listening("127.0.0.3", 0)) as world:
        forwarder = Forwarder(lambda: ["127.0.0.2", "127.0.0.3"], counted)  # nobody listens at the first one
        message = bytes(DNS(id=9, qd=[DNSQR(qname="world.example")]))
        said = await forwarder.ask(message, read_question(message), tcp=False, port=world.port)
        assert said is not None
        assert DNS(said).an[0].rdata == WORLD
        assert counted == {"server-silent": 1}
        await forwarder.ask(message, read_question(message), tcp=True, port=world.port)
        assert counted == {"server-silent": 1}, "the one that answered is asked first"
