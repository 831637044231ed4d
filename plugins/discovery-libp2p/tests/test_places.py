"""Where others are told to call a node."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance_discovery_libp2p import places

LISTENS = (
    Endpoint("udp", "0.0.0.0", 8443),
    Endpoint("tcp", "::", 8443),
    Endpoint("udp", "203.0.113.5", 9000),
    Endpoint("udp", "127.0.0.1", 9001),
    Endpoint.parse("wss://vpn.example/path"),
)


def test_all_addresses_are_those_that_others_see() -> None:
    found = places.endpoints(LISTENS, ("198.51.100.7", "2001:db8::7"))
    assert list(map(str, found)) == [
        "udp://198.51.100.7:8443",
        "tcp://198.51.100.7:8443",
        "tcp://[2001:db8::7]:8443",
        "udp://203.0.113.5:9000",
    ]


def test_nobody_is_told_what_nobody_has_seen() -> None:
    assert list(map(str, places.endpoints(LISTENS, ()))) == ["udp://203.0.113.5:9000"]
    assert places.hosts("0.0.0.0", ("2001:db8::7",)) == ()
