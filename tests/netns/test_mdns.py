"""Two real nodes that know each other's identity and no address meet by multicast on a bridge, and again on another network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

SECONDS = 90.0


@pytest.fixture
def bridged(tmp_path: Path) -> Iterator[tuple[Host, Host, Throwaway]]:
    """Two hosts that are in no network yet, and a switch."""
    with Throwaway() as one, Throwaway() as two, Throwaway() as switch:
        switch.sh("ip link add bridge type bridge; ip link set bridge up")
        first, second = Host(one, tmp_path, 1), Host(two, tmp_path, 2)
        for host, other in ((first, second), (second, first)):
            host.write(other, plugins="discovery-mdns", more="discovery: {mdns: {}}\nlimits: {idle: 8s}", peering="keepalive: 1s")
        try:
            yield first, second, switch
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()


def plug_in(host: Host, switch: Throwaway, cable: str, network: str) -> None:
    """A cable from the host to the switch, with an address of that network."""
    port = f"{cable}{host.number}"
    switch.sh(f"ip link add {port} type veth peer name {cable} netns {host.namespace.name}")
    switch.sh(f"ip link set {port} master bridge; ip link set {port} up")
    host.namespace.sh(f"ip addr add {network}.{host.number}/24 dev {cable}; ip link set {cable} up")


def test_they_meet_wherever_both_are(bridged: tuple[Host, Host, Throwaway]) -> None:
    one, two, switch = bridged
    for host in (one, two):
        host.start()
    for host in (one, two):
        plug_in(host, switch, "cable", "192.168.7")
    one.hear("session ready")
    assert one.pings("10.8.0.2")
    for host in (one, two):
        host.namespace.sh("ip link del cable")
        plug_in(host, switch, "wifi", "192.168.8")
    for host, other in ((one, two), (two, one)):
        until(lambda host=host, other=other: host.pings(f"10.8.0.{other.number}") and f"192.168.8.{other.number}" in places(host))


def places(host: Host) -> str:
    """Where the other one may be, as multicast says."""
    return " ".join(
        place["endpoint"] for place in json.loads(host.command("discover", "--json").stdout) if place["kind"] == "mdns"
    )


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not found():
        assert time.monotonic() < end
