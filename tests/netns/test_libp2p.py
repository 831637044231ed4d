"""Two real nodes that know each other's identity and one address of libp2p meet through a libp2p network of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

HERE = "192.0.2"
LISTENS = "listen: [/ip4/0.0.0.0/tcp/4001]"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts on one wire."""
    with Throwaway() as one, Throwaway() as two:
        one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
        first, second = Host(one, tmp_path, 1), Host(two, tmp_path, 2)
        for host in (first, second):
            host.namespace.sh(f"ip addr add {HERE}.{host.number}/24 dev wire; ip link set wire up")
        try:
            yield first, second
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()


def test_an_identity_and_a_libp2p_network_are_enough(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    for host, other, more in ((one, two, ""), (two, one, f", bootstrap: [/ip4/{HERE}.1/tcp/4001]")):
        host.write(other, plugins="discovery-libp2p", more=f"discovery: {{libp2p: {{{LISTENS}{more}}}}}")
        host.start()
    one.hear("session ready")
    assert one.pings("10.8.0.2")
    figures = str(two.status()["plugins"])
    assert "12D3KooW" in figures
    assert one.identity.fingerprint not in figures
