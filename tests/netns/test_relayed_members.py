"""Members behind NATs that no path leads through: a member with the role relay joins them, without a line of configuration."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rigs.certified import Network

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

SYMMETRIC = """
table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "out" masquerade fully-random; }; }
table ip fw { chain in { type filter hook input priority filter; iifname "out" ct state new drop; }; }
"""


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Network]:
    """The first in the open, the others each behind a symmetric NAT."""
    with ExitStack() as stack:
        middle, *spaces = [stack.enter_context(Throwaway()) for _ in range(6)]
        middle.sh("ip link add bridge type bridge; ip link set bridge up")
        routers, around = spaces[:2], spaces[2:]
        on_the_bridge(middle, around[0], 1, "wire")
        for number, (router, space) in enumerate(zip(routers, around[1:], strict=False), 2):
            on_the_bridge(middle, router, 10 + number, "out")
            router.sh(f"ip link add in type veth peer name wire netns {space.name}; ip link set in up")
            router.sh(f"ip addr add 192.168.{number}.1/24 dev in; sysctl -qw net.ipv4.ip_forward=1")
            router.sh(f"nft -f - <<'END'\n{SYMMETRIC}\nEND")
            space.sh(f"ip link set wire addrgenmode none; ip addr add 192.168.{number}.2/24 dev wire; ip link set wire up")
            space.sh(f"ip route add default via 192.168.{number}.1")
        hosts = [Host(space, tmp_path, number) for number, space in enumerate(around[:3], 1)]
        try:
            yield Network(hosts, relays={1})
        finally:
            for host in hosts:
                if host.process is not None:
                    host.stop()


def on_the_bridge(middle: Throwaway, space: Throwaway, number: int, device: str) -> None:
    middle.sh(f"ip link add wire{number} type veth peer name {device} netns {space.name}")
    middle.sh(f"ip link set wire{number} master bridge up")
    space.sh(f"ip link set {device} addrgenmode none; ip addr add 192.0.2.{number}/24 dev {device}; ip link set {device} up")


def way(host: Host, peer: str) -> str:
    """The endpoint of the session with that peer; "" without one."""
    return next((str(each["endpoint"]) for each in host.status()["sessions"] if each["peer"] == peer), "")


def test_two_members_behind_nats_are_joined_by_a_third(apart: Network) -> None:
    relay, one, other = apart.hosts
    for host in apart.hosts:
        host.start()
    for host, peer in ((one, other), (other, one)):
        assert any(host.pings(f"10.86.0.{peer.number}") for _ in range(6))
    over = f"relay://{relay.identity.fingerprint}"
    assert way(one, "host-3") == way(other, "host-2") == over
    circuits = relay.status()["relays"]["serves"]["circuits"]  # two where both have called at the same time
    assert [{each["caller"], each["callee"]} for each in circuits] in ([{"host-2", "host-3"}], [{"host-2", "host-3"}] * 2)
    assert "relayed by host-1" in one.command("status").stdout
    relay.stop(signal.SIGKILL)
    relay.start()
    assert any(one.pings("10.86.0.3") for _ in range(6))
    assert any(other.pings("10.86.0.2") for _ in range(6))
