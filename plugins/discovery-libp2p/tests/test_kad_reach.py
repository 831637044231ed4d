"""Nobody makes this node call what he cannot reach himself."""

from __future__ import annotations

import pytest

from appliance_discovery_libp2p.kad.reach import Reach, believable, neighbourhood, reach
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr


@pytest.mark.parametrize(
    ("host", "far"),
    [
        ("1.1.1.1", Reach.WORLD),
        ("2606:4700::1", Reach.WORLD),
        ("10.1.2.3", Reach.NETWORK),
        ("169.254.1.1", Reach.NETWORK),
        ("fd00::1", Reach.NETWORK),
        ("127.0.0.1", Reach.HOST),
        ("::1", Reach.HOST),
        ("::ffff:127.0.0.1", Reach.HOST),
        ("::ffff:10.0.0.1", Reach.NETWORK),
        ("0.0.0.0", Reach.NOWHERE),
        ("224.0.0.251", Reach.NOWHERE),
        ("metadata.internal", Reach.NOWHERE),
    ],
)
def test_from_how_far(host: str, far: Reach) -> None:
    assert reach(host) is far


def test_a_stranger_from_afar_names_no_address_inside() -> None:
    hosts = ["1.1.1.1", "10.1.2.3", "127.0.0.1", "0.0.0.0", "metadata.internal"]
    named = [Multiaddr(host, 80) for host in hosts]
    assert [address.host for address in believable(named, "8.8.8.8")] == ["1.1.1.1"]
    assert [address.host for address in believable(named, "10.9.9.9")] == ["1.1.1.1", "10.1.2.3"]
    assert [address.host for address in believable(named, "127.0.0.1")] == ["1.1.1.1", "10.1.2.3", "127.0.0.1"]


def test_addresses_of_one_owner_are_one_neighbourhood() -> None:
    assert neighbourhood("1.2.3.4") == neighbourhood("1.2.3.250") != neighbourhood("1.2.4.4")
    assert neighbourhood("2606:4700::1") == neighbourhood("2606:4700:0:ffff::2") != neighbourhood("2606:4700:1::1")
    assert neighbourhood("127.0.0.1") == ""
    assert neighbourhood("name.example") == "name.example"
