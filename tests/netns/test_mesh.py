"""Members find each other by their certificates: real nodes that know nothing of each other but a network's key."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from appliance.members.certificate import Certificate
from appliance.members.network import NetworkKey
from appliance.members.parcel import pack_parcel
from appliance.members.scope import Grants
from appliance.members.signing import sign_certificate, sign_revocation
from appliance.protocol.identity import Identity
from appliance.runtime.members.network_folder import NetworkFolder
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

    def certificate(self, host: Host, address: str = "", *prefixes: str) -> Certificate:
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
            ),
        )

    def revocation(self, host: Host) -> bytes:
        self.serial += 1
        return sign_revocation(self.key, self.network, {host.identity.fingerprint: 0}, serial=self.serial, at=self.now).encoded

    def hand(self, host: Host, *statements: bytes) -> None:
        """Lay the network's key and these statements onto a host."""
        folder = NetworkFolder(host.kept / "mesh-home")
        folder.make()
        folder.keep_network(self.network)
        folder.keep_statements(statements)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[tuple[Host, Host, Host]]:
    """Three hosts on one wire. Nobody has a profile or a certificate yet."""
    with ExitStack() as stack:
        spaces = [stack.enter_context(Throwaway()) for _ in range(4)]
        middle, around = spaces[0], spaces[1:]
        middle.sh("ip link add bridge type bridge; ip link set bridge up")
        for number, space in enumerate(around, 1):
            middle.sh(f"ip link add wire{number} type veth peer name wire netns {space.name}")
            middle.sh(f"ip link set wire{number} master bridge up")
            space.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        hosts = tuple(Host(space, tmp_path, number) for number, space in enumerate(around, 1))
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
{more}
"""
    )


def told(host: Host, *statements: bytes, owner: Owner) -> dict[str, object]:
    """What the running node says to statements that its admin hands over."""
    code = (
        "import sys, json; from appliance.control import client; "
        f"args = {{'network': {owner.network.fingerprint!r}}}; "
        "print(json.dumps(client.call('statements', args, body=bytes.fromhex(sys.argv[1]))))"
    )
    done = subprocess.run(
        [*host.entering, sys.executable, "-P", "-c", code, pack_parcel(statements).hex()],
        capture_output=True,
        text=True,
        check=True,
        env=host._environ({}),
        timeout=60,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_members_ping_each_other_and_one_that_is_removed_is_cut_off(wired: tuple[Host, Host, Host]) -> None:
    server, laptop, phone = wired
    owner = Owner()
    for host in wired:
        owner.hand(host, owner.certificate(host).encoded)
        write(host, owner, None if host is server else server)
        host.start()
    assert laptop.pings("10.86.0.1")
    assert phone.pings("10.86.0.1")
    peers = {peer["name"]: peer for peer in server.status()["peers"]}
    assert {name: peer["allowed"] for name, peer in peers.items()} == {
        "laptop": ["10.86.0.2/32"],
        "phone": ["10.86.0.3/32"],
    }
    gone = owner.revocation(phone)
    assert told(laptop, gone, owner=owner) == {"taken": {"new": 1}, "refused": []}
    while "phone" in {peer["name"] for peer in server.status()["peers"]}:
        pass
    assert [session["peer"] for session in server.status()["sessions"]] == ["laptop"]
    while not phone.status()["mesh"]["problem"]:
        pass
    assert "was removed from network home" in phone.status()["mesh"]["problem"]
    assert not phone.pings("10.86.0.1")
    assert laptop.pings("10.86.0.1")
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3
