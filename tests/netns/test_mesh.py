"""Members find each other by their certificates: real nodes that know nothing of each other but a network's key."""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from appliance.members.carried import bundle_of
from appliance.members.certificate import Certificate
from appliance.members.network import NetworkKey
from appliance.members.scope import Grants, Role
from appliance.members.signing import sign_certificate
from appliance.protocol.identity import Identity
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.wire import dns
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

HOUR = 3600
NAMES = {1: "server", 2: "laptop", 3: "phone"}


class Owner:
    """Whoever has the network's key, and signs by files."""

    def __init__(self) -> None:
        self.key = Identity.generate()
        self.network = NetworkKey(self.key.public.encoded)
        self.now = int(time.time())
        self.serial = 0

    def certificate(self, host: Host, address: str = "", *prefixes: str, roles: frozenset[Role] = frozenset()) -> Certificate:
        """One for `host`; it has no other yet, or this one is newer."""
        self.serial += 1
        return sign_certificate(
            self.key,
            self.network,
            host.identity.public,
            name=NAMES[host.number],
            serial=self.serial,
            since=self.now - HOUR,
            not_before=self.now - HOUR + self.serial,
            not_after=self.now + HOUR,
            grants=Grants(
                addresses=(ipaddress.ip_address(address or f"10.86.0.{host.number}"),),
                prefixes=tuple(map(ipaddress.ip_network, prefixes)),
                roles=roles,
            ),
        )

    def hand(self, host: Host, *statements: bytes) -> None:
        """Lay the network's key and these statements onto a host."""
        folder = NetworkFolder(host.kept / "mesh-home")
        folder.make()
        folder.keep_network(self.network)
        folder.keep_statements(statements)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[tuple[Host, Host, Host]]:
    """Three hosts on one wire."""
    with on_one_wire(tmp_path) as hosts:
        yield hosts


@contextmanager
def on_one_wire(folder: Path) -> Iterator[tuple[Host, Host, Host]]:
    """Three hosts, with their files in that folder. Nobody has a profile or a certificate yet."""
    with ExitStack() as stack:
        spaces = [stack.enter_context(Throwaway()) for _ in range(4)]
        middle, around = spaces[0], spaces[1:]
        middle.sh("ip link add bridge type bridge; ip link set bridge up")
        for number, space in enumerate(around, 1):
            middle.sh(f"ip link add wire{number} type veth peer name wire netns {space.name}")
            middle.sh(f"ip link set wire{number} master bridge up")
            space.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        hosts = tuple(Host(space, folder, number) for number, space in enumerate(around, 1))
        try:
            yield hosts  # type: ignore[misc]
        finally:
            for host in hosts:
                if host.process is not None:
                    host.stop()


def write(host: Host, owner: Owner, first: Host | None = None, more: str = "", mesh: str = "") -> None:
    """A profile that names the network, and perhaps whom to call first."""
    known = f'{{identity: {first.identity.fingerprint}, endpoints: ["udp://192.0.2.{first.number}:8443"]}}' if first else ""
    host.profile.write_text(
        f"""profile: 1
name: host-{host.number}
server: {{identity: file:{host.number}.key, listen: [udp://0.0.0.0:8443]}}
mesh: {{network: {owner.network.fingerprint}, label: home, bootstrap: [{known}], {mesh}}}
names: {{host: "off"}}
{more}
"""
    )


def eventually(done: Callable[[], bool]) -> None:
    """Ask until it is so; the test's own limit ends it."""
    while not done():
        pass


def resolved(host: Host, name: str) -> list[str]:
    """What the node on `host` answers to a program there."""
    return host.namespace.run(_ask, f"10.86.0.{host.number}", name)  # type: ignore[no-any-return]


def _ask(server: str, name: str) -> list[str]:
    asked = dns.question(7, name, dns.TYPE_A)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(60)
        asking.connect((server, 53))
        asking.send(asked)
        return dns.addresses(asking.recv(4096), asked)


def names(host: Host) -> set[str]:
    return {peer["name"] for peer in host.status()["peers"]}


def members(host: Host) -> int:
    found: int = host.status()["mesh"]["members"]
    return found


def begin(hosts: tuple[Host, ...], owner: Owner) -> None:
    """All run, each with its own certificate only; the first is whom the others call."""
    for host in hosts:
        owner.hand(host, owner.certificate(host).encoded)
        write(host, owner, None if host is hosts[0] else hosts[0])
        host.start()
    for host in hosts[1:]:
        assert host.pings("10.86.0.1")


def test_members_ping_each_other_and_one_that_is_removed_is_cut_off(wired: tuple[Host, Host, Host]) -> None:
    server, laptop, phone = wired
    owner = Owner()
    begin(wired, owner)
    assert {peer["name"]: peer["allowed"] for peer in server.status()["peers"]} == {
        "laptop": ["10.86.0.2/32"],
        "phone": ["10.86.0.3/32"],
    }
    eventually(lambda: names(laptop) == {"server", "phone"})  # a member is known for a moment before it is a peer
    answers = "phone (10.86.0.3) answers by udp://"  # with the next echo, if they need longer to meet than it waits for one
    eventually(lambda: laptop.command("ping", "phone.home", "--count", "1").stdout.startswith(answers))
    for name, address in (
        ("phone", "10.86.0.3"),
        ("laptop", "10.86.0.2"),
    ):  # another member, which was learned, and this one itself
        assert resolved(laptop, f"{name}.home") == [address]
    assert resolved(laptop, "host-2.home") == [], "what the profile calls it nobody else knows"
    shown = json.loads(server.command("peers", "--json").stdout)
    assert {(peer["name"], peer["origin"], peer["connected"]) for peer in shown} == {
        ("laptop", "member", True),
        ("phone", "member", True),
    }

    NetworkFolder(laptop.kept / "mesh-home").keep_owner(owner.key)
    eventually(lambda: len(NetworkFolder(laptop.kept / "mesh-home").statements()) == 3)
    done = laptop.command("network", "revoke", "phone")
    assert (done.returncode, "the node that runs here has it" in done.stderr) == (ExitCode.OK, True), done.stderr
    eventually(lambda: names(server) == {"laptop"})
    assert [session["peer"] for session in server.status()["sessions"]] == ["laptop"]
    eventually(lambda: "was removed from network home" in phone.status()["mesh"]["problem"])
    assert not phone.pings("10.86.0.1", within=3)
    assert laptop.pings("10.86.0.1")
    assert phone.command("status").returncode == ExitCode.DEGRADED

    server.stop()  # what it has learned is on its disk
    server.start()
    assert laptop.pings("10.86.0.1")
    assert names(server) == {"laptop"}
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3


def test_a_certificate_with_another_address_moves_the_host_to_it(wired: tuple[Host, Host, Host], tmp_path: Path) -> None:
    server, laptop, _ = wired
    owner = Owner()
    begin((server, laptop), owner)
    file = tmp_path / "laptop.certificate"
    file.write_text(bundle_of(owner.network, [owner.certificate(laptop, "10.86.7.7").encoded]))
    done = laptop.command("network", "import", str(file))
    assert done.returncode == ExitCode.OK, done.stderr
    laptop.hear("took over what this node's certificate brings")
    assert laptop.status()["interface"]["addresses"] == ["10.86.7.7/16"]
    assert server.pings("10.86.7.7")
    assert laptop.command("plan", str(laptop.profile)).returncode == ExitCode.OK, "the host is as the certificate says"
    assert [host.stop() for host in (server, laptop)] == [ExitCode.OK] * 2


def test_members_and_peers_of_the_profile_live_beside_each_other(wired: tuple[Host, Host, Host]) -> None:
    server, laptop, gateway = wired
    owner = Owner()
    gateway.write(laptop)
    gateway.profile.write_text(gateway.profile.read_text().replace("10.8.0.2/32", "10.8.0.2/32, 10.86.0.2/32"))
    way_out = f"""peers:
  - name: gateway
    identity: {gateway.identity.fingerprint}
    endpoints: ["udp://192.0.2.3:8443"]
    allowed: [0.0.0.0/0]"""
    for host in (server, laptop):
        owner.hand(host, owner.certificate(host).encoded)
    write(server, owner)
    write(laptop, owner, server, more="network: {addresses: [10.8.0.2/24]}\n" + way_out)
    for host in wired:
        host.start()
    assert laptop.pings("10.86.0.1"), "the member, inside of what the gateway has"
    assert laptop.pings("10.8.0.3"), "the gateway"
    assert names(laptop) == {"gateway", "server"}

    before = laptop.status()["drops"].get("bad_source", 0)
    gateway.namespace.sh("ip addr add 10.86.0.1/32 dev lo; ip addr add 10.86.0.9/32 dev lo")
    for stranger in ("10.86.0.1", "10.86.0.9"):  # a member's address, and one that nobody has
        gateway.namespace.sh(f"ping -c 1 -w 2 -I {stranger} 10.8.0.2", check=False)
    eventually(lambda: laptop.status()["drops"].get("bad_source", 0) >= before + 2)
    answers = laptop.namespace.sh("ping -c 1 -w 2 10.86.0.9", check=False)
    assert "1 received" not in answers, "what no member has does not go to the gateway"
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3


def test_two_networks_of_one_label_behind_one_address_never_meet(wired: tuple[Host, Host, Host]) -> None:
    """Where one network's server answers, the other one's is looked for; then the address changes hands."""
    server, hub, phone = wired
    first, other = Owner(), Owner()
    first.hand(server, first.certificate(server).encoded)
    write(server, first)
    for host in (hub, phone):
        other.hand(host, other.certificate(host).encoded)
    write(hub, other)
    write(phone, other, server)
    known = phone.profile.read_text()
    also = f'{{identity: {hub.identity.fingerprint}, endpoints: ["udp://192.0.2.1:8443"]}}'
    phone.profile.write_text(known.replace("bootstrap: [", f"bootstrap: [{also}, "))
    server.start()
    phone.start()
    said = "a node is no member here"
    while not any("another network" in line["reason"] for line in server.logged(said)):
        server.hear(said, len(server.logged(said)) + 1)
    phone.hear(said)
    phone.hear("a member of mesh.bootstrap does not answer")
    assert phone.logged("a member of mesh.bootstrap does not answer")[0]["identity"] == hub.identity.fingerprint
    assert names(server) == names(phone) == set()

    server.namespace.sh("ip addr del 192.0.2.1/24 dev wire; ip addr add 192.0.2.9/24 dev wire")
    hub.namespace.sh("ip addr add 192.0.2.1/24 dev wire")
    phone.namespace.sh("ip neigh flush dev wire")
    hub.start()
    assert phone.pings("10.86.0.2")
    assert (names(phone), names(hub), names(server)) == ({"laptop"}, {"phone"}, set())
    assert [members(host) for host in (server, hub, phone)] == [1, 2, 2]
    assert server.status()["mesh"]["refused"]["foreign-network"] > 0
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3


def test_without_a_certificate_it_says_what_to_do(wired: tuple[Host, Host, Host]) -> None:
    laptop, owner = wired[1], Owner()
    write(laptop, owner)
    for words in (("check",), ("plan",), ("apply",), ("run",)):
        done = laptop.command(*words, str(laptop.profile))
        assert (done.returncode, "appliance join CODE" in done.stderr) == (ExitCode.INVALID, True), done.stderr
    owner.hand(laptop, owner.certificate(wired[0]).encoded)
    done = laptop.command("check", str(laptop.profile))
    assert (done.returncode, "no certificate of network home" in done.stderr) == (ExitCode.INVALID, True), done.stderr
    owner.hand(laptop, owner.certificate(laptop).encoded)
    assert laptop.command("check", str(laptop.profile)).returncode == ExitCode.OK
