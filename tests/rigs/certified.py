"""Real nodes on one wire that are members of a network, by files that its owner laid onto them."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from appliance.members.network import NetworkKey
from appliance.members.scope import Grants, Role
from appliance.members.signing import sign_certificate
from appliance.protocol.identity import Identity
from appliance.runtime.members.network_folder import NetworkFolder
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

HOUR = 3600


class Network:
    """The hosts, all on one wire, and the owner's key. Each knows its own certificate and the first one's address."""

    def __init__(self, hosts: list[Host], relays: Collection[int] = ()) -> None:
        self.hosts = hosts
        self.relays = relays
        self.key = Identity.generate()
        self.network = NetworkKey(self.key.public.encoded)
        self.now = int(time.time())
        for host in hosts:
            self._admit(host)
            self.write(host)

    def write(self, host: Host, more: str = "", mesh: str = "") -> None:
        """`mesh` are further keys of that section, `more` further sections."""
        first = self.hosts[0]
        known = f'{{identity: {first.identity.fingerprint}, endpoints: ["udp://192.0.2.1:8443"]}}' if host is not first else ""
        host.profile.write_text(
            f"""profile: 1
name: host-{host.number}
server: {{identity: file:{host.number}.key, listen: [udp://0.0.0.0:8443]}}
mesh: {{network: {self.network.fingerprint}, label: home, bootstrap: [{known}], {mesh}}}
names: {{host: off}}
{more}
"""
        )

    def _admit(self, host: Host) -> None:
        certificate = sign_certificate(
            self.key,
            self.network,
            host.identity.public,
            name=f"host-{host.number}",
            serial=host.number,
            not_before=self.now - HOUR,
            not_after=self.now + HOUR,
            grants=Grants(
                addresses=(ipaddress.ip_address(f"10.86.0.{host.number}"),),
                roles=frozenset({Role.RELAY} if host.number in self.relays else ()),
            ),
        )
        folder = NetworkFolder(host.kept / "mesh-home")
        folder.make()
        folder.keep_network(self.network)
        folder.keep_statements([certificate.encoded])


@contextmanager
def network(folder: Path, size: int) -> Iterator[Network]:
    """That many hosts, none of which runs yet; those that do are stopped at the end."""
    with ExitStack() as stack:
        middle, *around = [stack.enter_context(Throwaway()) for _ in range(size + 1)]
        middle.sh("ip link add bridge type bridge; ip link set bridge up")
        for number, space in enumerate(around, 1):
            middle.sh(f"ip link add wire{number} type veth peer name wire netns {space.name}")
            middle.sh(f"ip link set wire{number} master bridge up")
            space.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        hosts = [Host(space, folder, number) for number, space in enumerate(around, 1)]
        try:
            yield Network(hosts)
        finally:
            for host in hosts:
                if host.process is not None:
                    host.stop()
