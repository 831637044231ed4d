"""Each kind of NAT as the kernel makes it, classified from outside by the tests of RFC 5780: what a host's mapping depends on,
and whom it lets in. One lab with a host behind each kind, and one server with two addresses and two ports."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from ipaddress import ip_interface
from typing import Any

import pytest

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.nat import CGNAT_FIRST, CGNAT_PORTS, SEQUENTIAL_PORTS
from appliance.lab.network import set_address

pytestmark = pytest.mark.netns

EITHER, ADDRESS, PORT = "endpoint-independent", "address-dependent", "address-and-port-dependent"
KINDS: dict[tuple[str, ...], tuple[str, str]] = {
    ("none",): (EITHER, EITHER),
    ("full-cone",): (EITHER, EITHER),
    ("address-restricted",): (EITHER, ADDRESS),
    ("port-restricted",): (EITHER, PORT),
    ("symmetric",): (PORT, PORT),
    ("symmetric-sequential",): (PORT, PORT),
    ("plain",): (EITHER, PORT),
    ("one-to-one",): (EITHER, EITHER),
    ("hairpin",): (EITHER, EITHER),
    ("cgnat",): (EITHER, PORT),
    ("firewall",): (EITHER, PORT),
    ("full-cone", "full-cone"): (EITHER, EITHER),
    ("port-restricted", "cgnat"): (EITHER, PORT),
    ("full-cone", "symmetric"): (PORT, PORT),
}
"""What NAT.md measured, as RFC 4787 calls it: mapping, filtering."""
ANSWER_SECONDS = 60.0
FIRST, SECOND = "198.51.100.1", "198.51.100.250"
"""The server's addresses."""
PORTS = (3478, 3479)


def name_of(kinds: tuple[str, ...]) -> str:
    return "-".join(kinds)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The hosts, without nodes."""
    hosts = {name_of(kinds): kinds for kinds in (*KINDS, ("udp-blocked",), ("only-443",), ("ipv6-only",), ("web-only",))}
    described: dict[str, Any] = {
        name: {"addresses": [f"10.1.0.{number}/24"], "behind": list(kinds)}
        for number, (name, kinds) in enumerate(hosts.items(), 2)
    }
    described["server"] = {"addresses": ["10.1.0.1/24"]}
    definition = LabFile.model_validate(
        {
            "lab": 1,
            "name": "kinds",
            "links": [{"name": "wan", "hosts": ["server", *hosts], "ipv4": "198.51.100.0/24", "ipv6": "2001:db8::/64"}],
            "hosts": described,
        }
    )
    built = Lab(definition, start=False)
    asyncio.run(built.__aenter__())
    try:
        set_address(built.host("server").machine.ip, "wan", ip_interface(f"{SECOND}/24"))
        yield built
    finally:
        asyncio.run(built.__aexit__(None, None, None))
    assert built.left_behind == []


class Server:
    """Sockets on all four of the server's endpoints."""

    def __init__(self, host: Host, stack: ExitStack) -> None:
        self._sockets = {
            (address, port): stack.enter_context(host.namespace.call(udp_at, address, port))
            for address in (FIRST, SECOND)
            for port in PORTS
        }

    def sees(self, address: str, port: int) -> tuple[str, int]:
        """From where the next datagram comes."""
        _, source = self._sockets[address, port].recvfrom(64)
        return str(source[0]), int(source[1])

    def send(self, address: str, port: int, target: tuple[str, int]) -> None:
        """A datagram from one of its endpoints, which says from which."""
        with suppress(ConnectionRefusedError):
            self._sockets[address, port].sendto(f"{address} {port}".encode(), target)


def udp_at(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.settimeout(ANSWER_SECONDS)
    opened.bind((address, port))
    return opened


def udp6_at(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    opened.settimeout(ANSWER_SECONDS)
    opened.bind((address, port))
    return opened


def listening6(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port), family=socket.AF_INET6)


def reflected(client: socket.socket, server: Server, address: str, port: int) -> tuple[str, int]:
    """Where the server sees the client, when it speaks to this endpoint."""
    client.sendto(b"who am I?", (address, port))
    return server.sees(address, port)


def mapping_of(client: socket.socket, server: Server) -> str:
    """RFC 5780, section 4.3."""
    first = reflected(client, server, FIRST, PORTS[0])
    if reflected(client, server, SECOND, PORTS[0]) == first:
        return EITHER
    return ADDRESS if reflected(client, server, FIRST, PORTS[1]) == first else PORT


def filtering_of(client: socket.socket, server: Server) -> str:
    """RFC 5780, section 4.4. The endpoint that the client spoke to answers last: what has not come by then does not come."""
    target = reflected(client, server, FIRST, PORTS[0])
    for address, port in ((SECOND, PORTS[1]), (FIRST, PORTS[1]), (FIRST, PORTS[0])):
        server.send(address, port, target)
    heard = []
    while not heard or heard[-1] != f"{FIRST} {PORTS[0]}":
        heard.append(client.recv(64).decode())
    return {3: EITHER, 2: ADDRESS, 1: PORT}[len(heard)]


@pytest.mark.parametrize("kinds", KINDS, ids=name_of)
def test_the_kernel_maps_and_filters_as_the_kind_says(lab: Lab, kinds: tuple[str, ...]) -> None:
    host = lab.host(name_of(kinds))
    with ExitStack() as stack:
        server = Server(lab.host("server"), stack)
        mapping = mapping_of(stack.enter_context(host.namespace.call(udp_at, "0.0.0.0", 0)), server)
        filtering = filtering_of(stack.enter_context(host.namespace.call(udp_at, "0.0.0.0", 0)), server)
    assert (mapping, filtering) == KINDS[kinds]


def test_a_sequential_nat_deals_out_one_port_after_the_other_and_a_carriers_keeps_to_its_block(lab: Lab) -> None:
    with ExitStack() as stack:
        server = Server(lab.host("server"), stack)
        dealing, carriers = (
            stack.enter_context(lab.host(name).namespace.call(udp_at, "0.0.0.0", 0)) for name in ("symmetric-sequential", "cgnat")
        )
        dealt = [reflected(dealing, server, address, port)[1] for address in (FIRST, SECOND) for port in PORTS]
        assert dealt == list(range(dealt[0], dealt[0] + len(dealt)))
        assert dealt[0] in SEQUENTIAL_PORTS
        assert reflected(carriers, server, FIRST, PORTS[0])[1] in range(CGNAT_FIRST, CGNAT_FIRST + CGNAT_PORTS)


def test_hosts_behind_one_hairpin_reach_each_other_by_the_address_outside(lab: Lab) -> None:
    host = lab.host("hairpin")
    with ExitStack() as stack:
        server = Server(lab.host("server"), stack)
        one, other = (stack.enter_context(host.namespace.call(udp_at, "0.0.0.0", 0)) for _ in range(2))
        seen = [reflected(each, server, FIRST, PORTS[0]) for each in (one, other)]
        one.sendto(b"from one", seen[1])
        assert other.recvfrom(64) == (b"from one", seen[0])


@pytest.mark.parametrize(
    ("kind", "port", "passes"),
    [("udp-blocked", 443, False), ("only-443", 443, True), ("only-443", 53, False), ("web-only", 443, False)],
)
def test_what_is_blocked_does_not_come_while_tcp_does(lab: Lab, kind: str, port: int, *, passes: bool) -> None:
    host, server = lab.host(kind), lab.host("server")
    with (
        server.namespace.call(udp_at, FIRST, port) as hears,
        server.namespace.call(socket.create_server, (FIRST, port)) as accepting,
        host.namespace.call(udp_at, "0.0.0.0", 0) as client,
    ):
        client.sendto(b"hello", (FIRST, port))
        with host.namespace.call(socket.create_connection, (FIRST, port), ANSWER_SECONDS):  # takes the same way, later
            accepting.accept()[0].close()
        hears.settimeout(0.0)
        if passes:
            assert hears.recv(64) == b"hello"
        else:
            with pytest.raises(BlockingIOError):
                hears.recv(64)


@pytest.mark.parametrize("kind", ["ipv6-only", "firewall", "symmetric"])
def test_ipv6_keeps_its_addresses_and_lets_in_what_was_asked_for(lab: Lab, kind: str) -> None:
    host, server = lab.host(kind).namespace, lab.host("server").namespace
    with (
        server.call(udp6_at, "2001:db8::1", 3478) as spoken_to,
        server.call(udp6_at, "2001:db8::1", 3479) as stranger,
        host.call(udp6_at, "::", 0) as client,
    ):
        client.sendto(b"hello", spoken_to.getsockname())
        source = spoken_to.recvfrom(64)[1]
        assert source[1] == client.getsockname()[1]
        assert source[0].startswith("fd16:")
        for one in (stranger, spoken_to):
            one.sendto(b"from %d" % one.getsockname()[1], source)
        assert client.recv(64) == b"from 3478"


def test_no_ipv4_passes_where_there_is_only_ipv6(lab: Lab) -> None:
    host, server = lab.host("ipv6-only").namespace, lab.host("server").namespace
    with server.call(udp_at, FIRST, 3478) as hears, server.call(listening6, "2001:db8::1", 3478) as six:
        with host.call(udp_at, "0.0.0.0", 0) as client:
            client.sendto(b"hello", (FIRST, 3478))
        with host.call(socket.create_connection, ("2001:db8::1", 3478), ANSWER_SECONDS):  # takes the same way, later
            six.accept()[0].close()
        hears.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            hears.recv(64)


def test_flushing_a_router_makes_it_forget(lab: Lab) -> None:
    with ExitStack() as stack:
        server = Server(lab.host("server"), stack)
        client = stack.enter_context(lab.host("full-cone").namespace.call(udp_at, "0.0.0.0", 0))
        before = reflected(client, server, FIRST, PORTS[0])
        lab.routers["full-cone-nat"].flush()
        server.send(SECOND, PORTS[0], before)  # a full cone lets anybody in who finds a mapping
        server.send(SECOND, PORTS[1], reflected(client, server, FIRST, PORTS[0]))
        assert client.recv(64).decode() == f"{SECOND} {PORTS[1]}"
