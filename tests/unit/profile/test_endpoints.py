"""Endpoints as they are written: host and port, or what only a transport can read."""

from __future__ import annotations

import pytest

from appliance.api.values import Endpoint
from appliance.api.zones import shown
from appliance.protocol.peer import is_named


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("udp://198.51.100.7:8443", Endpoint("udp", "198.51.100.7", 8443)),
        ("tcp://[2001:db8::1]:8443", Endpoint("tcp", "2001:db8::1", 8443)),
        ("udp://vpn.example:8443", Endpoint("udp", "vpn.example", 8443)),
        ("quic://198.51.100.7:8443", Endpoint("quic", "198.51.100.7", 8443)),
        ("quic://vpn.example:8443", Endpoint("quic", "vpn.example", 8443, "vpn.example:8443")),
        ("wss://vpn.example/path", Endpoint("wss", "vpn.example", 0, "vpn.example/path")),
        ("wss://vpn.example:444/path", Endpoint("wss", "vpn.example", 444, "vpn.example:444/path")),
        ("wss://[2001:db8::1]/path", Endpoint("wss", "2001:db8::1", 0, "[2001:db8::1]/path")),
        ("wss://[2001:db8::1]:444/a:b", Endpoint("wss", "2001:db8::1", 444, "[2001:db8::1]:444/a:b")),
        ("wss://2001:db8::1/path", Endpoint("wss", "", 0, "2001:db8::1/path")),
        ("relay://llp1:abc", Endpoint("relay", "", 0, "llp1:abc")),
        ("relay://llp1:abc/hop", Endpoint("relay", "", 0, "llp1:abc/hop")),
        ("quic://vpn.example", Endpoint("quic", "", 0, "vpn.example")),
        ("serial:///dev/ttyS0", Endpoint("serial", "", 0, "/dev/ttyS0")),
    ],
)
def test_an_endpoint_is_read_and_written(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize(
    "text", ["relay://", "relay://a b", "relay://a\nb", "relay://" + "x" * 513, "re lay://x", "://x", "relay:x"]
)
def test_what_no_transport_could_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no endpoint"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    "text", ["udp://198.51.100.7", "tcp://vpn.example/path", "udp://llp1:abc", "udp://[2001:db8::1]", "tcp://h:0"]
)
def test_udp_and_tcp_are_host_and_port_whoever_reads_them(text: str) -> None:
    with pytest.raises(ValueError, match=r"host and port|port is a number|in brackets"):
        Endpoint.parse(text)


def test_which_are_written_as_host_and_port_and_which_are_looked_up() -> None:
    plain = {
        text: Endpoint.parse(text).is_host_and_port for text in ("quic://h:1", "quic://[::1]:1", "quic://h/p", "relay://llp1:x")
    }
    assert plain == {"quic://h:1": True, "quic://[::1]:1": True, "quic://h/p": False, "relay://llp1:x": False}
    named = {text: is_named(Endpoint.parse(text)) for text in ("quic://h:1", "quic://[::1]:1", "wss://h/p", "relay://llp1:x")}
    assert named == {"quic://h:1": True, "quic://[::1]:1": False, "wss://h/p": True, "relay://llp1:x": False}


def test_a_name_that_was_looked_up_stays_with_its_address() -> None:
    found = Endpoint.parse("wss://vpn.example/path")._replace(host="192.0.2.9")
    assert not is_named(found)
    assert str(found) == "wss://vpn.example/path"
    assert shown(found) == "wss://vpn.example/path at 192.0.2.9"
    assert shown(Endpoint.parse("relay://llp1:abc")) == "relay://llp1:abc"
    assert shown(Endpoint.parse("udp://192.0.2.9:1")) == "udp://192.0.2.9:1"
