"""Contradictions between keys: each is found, at the right key, and the healthy neighbour is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.profile import Profile
from appliance.profile.checks import check, check_reach

A = "llp1:" + "a" * 52
B = "llp1:b" + "a" * 51
MESH = {"network": "llpn1:" + "a" * 52, "label": "home"}


def profile(**sections: Any) -> Profile:
    network = {"addresses": ["10.8.0.1/24"], **sections.pop("network", {})}
    return Profile.model_validate({"profile": 1, "network": network, **sections})


def peer(name: str, identity: str, *allowed: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "identity": identity, "allowed": allowed, **more}


def found(**sections: Any) -> dict[str, str]:
    return {problem.path: problem.message for problem in check(profile(**sections))}


SOUND: list[dict[str, Any]] = [
    {},
    {"network": {"addresses": ["10.8.0.1/24", "10.9.0.1/32", "fd00::1/64"], "mtu": 1280}},
    {"network": {"addresses": ["10.8.0.0/31"], "mtu": 576}},
    {"peers": [peer("a", A, "10.8.0.2/32", "10.8.0.0/24"), peer("b", B, "10.8.0.3/32", "0.0.0.0/0")]},
    {"server": {"listen": ["udp://0.0.0.0:1", "tcp://0.0.0.0:1", "udp://[::]:1", "udp://192.0.2.1:2"]}},
    {"crypto": {"suites": ["null"], "lab": True}},
    {
        "network": {
            "routes": [{"to": "0.0.0.0/0", "metric": 1}, {"to": "0.0.0.0/0", "metric": 2}, {"to": "0.0.0.0/0", "table": 5}]
        }
    },
    {"network": {"full_tunnel": True}, "peers": [peer("a", A, "::/0")]},
    {"discovery": {"mdns": {}}, "peers_from": {"mdns": {"allowed": ["10.9.0.0/16"]}}},
    {"peers": [peer("a", A, "0.0.0.0/1", "::/1", "169.0.0.0/8", "254.0.0.0/8", "fe00::/8")]},
    {"qos": {}, "peers": [peer("a", A, "10.8.0.2/32", rate="20Mbit")]},
    {"qos": {"rules": [{"ports": [53], "class": "bulk"}, {"protocol": "tcp", "ports": [53], "class": "normal"}]}},
    {
        "server": {"listen": ["udp://[fe80::1%eth0]:1", "udp://[fe80::1%eth1]:1"]},
        "peers": [peer("a", A, "10.8.0.2/32", endpoints=["udp://[fe80::2%wg-0.5]:1", "tcp://169.254.1.1:1"])],
    },
    {"peers": [peer("a", A, "10.8.0.2/32", endpoints=["udp://a-b.example.:1", "udp://[2001:db8::1]:1"])]},
    {
        "peers": [peer("a", A, "10.8.0.2/32"), peer("b", B, "10.8.0.3/32", endpoints=[f"relay://{A}"])],
        "relay": {"at": ["a"], "peers": ["a", "b"]},
    },
    {"mesh": MESH, "peers": [peer("b", B, "10.8.0.3/32", endpoints=[f"relay://{A}"])], "relay": {"at": ["a-member"]}},
]


@pytest.mark.parametrize("sections", SOUND)
def test_nothing_to_say(sections: dict[str, Any]) -> None:
    assert found(**sections) == {}


@pytest.mark.parametrize(
    ("sections", "path", "told"),
    [
        ({"network": {"interface": "lo"}}, "network.interface", "the kernel uses itself"),
        ({"peers": [peer("a", A, "10.8.0.2/32", rate="20Mbit")]}, "peers.0.rate", "needs the section qos"),
        (
            {"network": {"full_tunnel": True}, "peers": [peer("a", A, "10.8.0.2/32", "0.0.0.0/1")]},
            "network.full_tunnel",
            "no peer takes everything",
        ),
        ({"peers_from": {"mdns": {"allowed": ["10.9.0.0/16"]}}}, "peers_from.mdns", "does not run"),
        ({"server": {"listen": ["udp://[fe80::1]:1"]}}, "server.listen.0", "without its interface"),
        (
            {"peers": [peer("a", A, "10.8.0.2/32", endpoints=["udp://[fe80::1]:1"])]},
            "peers.0.endpoints.0",
            "without its interface",
        ),
        (
            {"peers": [peer("a", A, "10.8.0.2/32", endpoints=["udp://[2001:db8::1%eth0]:1"])]},
            "peers.0.endpoints.0",
            "no link-local address",
        ),
        (
            {"peers": [peer("a", A, "10.8.0.2/32", endpoints=["udp://[fe80::1%a-name-that-is-too-long]:1"])]},
            "peers.0.endpoints.0",
            "is no interface",
        ),
        ({"qos": {"rules": [{"class": "bulk"}]}}, "qos.rules.0", "would fit every packet"),
        (
            {"qos": {"rules": [{"protocol": "icmp", "ports": [1], "class": "bulk"}]}},
            "qos.rules.0.ports",
            "protocol 1 has no ports",
        ),
        ({"qos": {"rules": [{"from": "10.0.0.0/8", "to": "::/0", "class": "bulk"}]}}, "qos.rules.0.to", "one is IPv4"),
        ({"qos": {"rules": [{"dscp": [8], "class": "bulk"}] * 2}}, "qos.rules.1", "given twice"),
        ({"qos": {"queue": "4MiB", "total": "1MiB"}}, "qos.total", "less than a single queue"),
        ({"network": {"addresses": ["fd00::1/64"], "mtu": 1279}}, "network.mtu", "too small for this node's IPv6"),
        ({"network": {"addresses": ["10.8.0.1/24", "10.8.0.1/32"]}}, "network.addresses.1", "given twice"),
        ({"network": {"addresses": ["10.8.0.0/24"]}}, "network.addresses.0", "the network itself"),
        ({"network": {"addresses": ["10.8.0.255/24"]}}, "network.addresses.0", "the broadcast address"),
        ({"network": {"addresses": ["127.0.0.1/8"]}}, "network.addresses.0", "loopback"),
        ({"network": {"addresses": ["ff02::1/64"]}}, "network.addresses.0", "multicast"),
        ({"network": {"addresses": ["::/64"]}}, "network.addresses.0", "unspecified"),
        ({"network": {"routes": [{"to": "::/0", "via": "10.8.0.2"}]}}, "network.routes.0.via", "one is IPv4"),
        ({"network": {"routes": [{"to": "10.0.0.0/8", "via": "10.8.0.1"}]}}, "network.routes.0.via", "this node itself"),
        (
            {"network": {"routes": [{"to": "::/0"}, {"to": "::/0", "table": 254}]}},
            "network.routes.1.to",
            "a second route to ::/0",
        ),
        ({"network": {"rules": [{"table": 5, "priority": 5}]}}, "network.rules.0", "every packet"),
        ({"network": {"rules": [{"from": "10.0.0.0/8", "to": "::/0", "table": 5, "priority": 5}]}}, "network.rules.0.to", "IPv6"),
        ({"network": {"rules": [{"fwmark": 1, "table": 5, "priority": 5}] * 2}}, "network.rules.1", "given twice"),
        ({"network": {"masquerade": ["10.8.0.0/24", "10.8.0.0/24"]}}, "network.masquerade.1", "given twice"),
        ({"server": {"listen": ["udp://0.0.0.0:1", "udp://0.0.0.0:1"]}}, "server.listen.1", "given twice"),
        ({"server": {"listen": ["udp://0.0.0.0:1", "udp://192.0.2.1:1"]}}, "server.listen.1", "already covered"),
        ({"server": {"listen": ["udp://192.0.2.1:1", "udp://0.0.0.0:1"]}}, "server.listen.0", "already covered"),
        ({"server": {"listen": ["udp://gateway.example:1"]}}, "server.listen.0", "no address to listen on"),
        ({"crypto": {"suites": ["null"]}}, "crypto.suites.0", "protects nothing"),
        ({"crypto": {"suites": ["hse", "hse"]}}, "crypto.suites.1", "given twice"),
        ({"plugins": ["x", "x"]}, "plugins.1", "given twice"),
        ({"peers": [peer("a", A, "10.8.0.2"), peer("a", B, "10.8.0.3")]}, "peers.1.name", "a second peer is called 'a'"),
        ({"peers": [peer("a", A, "10.8.0.2"), peer("b", A, "10.8.0.3")]}, "peers.1.identity", "peer 'a' has this identity"),
        ({"peers": [peer("a", A, "10.8.0.2"), peer("b", B, "10.8.0.2/32")]}, "peers.1.allowed.0", "already behind peer 'a'"),
        ({"peers": [peer("a", A, "10.8.0.2", "10.8.0.2")]}, "peers.0.allowed.1", "given twice"),
        ({"peers": [peer("a", A, "10.8.0.1/32")]}, "peers.0.allowed.0", "this node's own address"),
        ({"peers": [peer("a", A, "169.254.7.0/24")]}, "peers.0.allowed.0", "never a peer's"),
        ({"peers": [peer("a", A, "10.8.0.2/32", "fe80::/64")]}, "peers.0.allowed.1", "never a peer's"),
        ({"peers": [peer("a", A, "127.0.0.0/8")]}, "peers.0.allowed.0", "never a peer's"),
        ({"peers": [peer("a", A, "::/0", keepalive="60s")]}, "peers.0.keepalive", "not shorter than limits.idle"),
        ({"peers": [peer("a", A, "::/0", endpoints=["udp://0.0.0.0:1"])]}, "peers.0.endpoints.0", "no address of a peer"),
        ({"peers": [peer("a", A, "::/0", endpoints=["udp://h:1", "udp://h:1"])]}, "peers.0.endpoints.1", "given twice"),
        ({"peers": [peer("a", A, "::/0", endpoints=["udp://300.1.2.3:1"])]}, "peers.0.endpoints.0", "neither an address"),
        ({"peers": [peer("a", A, "::/0", endpoints=["udp://-x.example:1"])]}, "peers.0.endpoints.0", "neither an address"),
        ({"server": {"listen": [f"relay://{A}"]}}, "server.listen.0", "no address to listen at"),
        ({"peers": [peer("a", A, "::/0", endpoints=[f"relay://{A}"])]}, "peers.0.endpoints.0", "its own relay"),
        ({"peers": [peer("a", A, "::/0", endpoints=[f"relay://{B}"])]}, "peers.0.endpoints.0", "no peer has the identity"),
        ({"relay": {"at": ["a"]}}, "relay.at.0", "there is no peer 'a'"),
        ({"peers": [peer("a", A, "::/0")], "relay": {"peers": ["a", "a"]}}, "relay.peers.1", "given twice"),
    ],
)
def test_a_contradiction(sections: dict[str, Any], path: str, told: str) -> None:
    problems = found(**sections)
    assert list(problems) == [path]
    assert told in problems[path]


def test_a_node_that_nobody_can_reach() -> None:
    lonely = [peer("a", A, "::/0")]
    assert [problem.path for problem in check_reach(profile(peers=lonely))] == ["peers"]
    assert not list(check_reach(profile()))
    assert not list(check_reach(profile(peers=lonely, server={"listen": ["udp://0.0.0.0:1"]})))
    assert not list(check_reach(profile(peers=lonely, discovery={"bootstrap": {}})))
    assert not list(check_reach(profile(peers=[peer("a", A, "::/0", endpoints=["udp://h:1"])])))
