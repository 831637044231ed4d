"""Of a certificate a peer gets no more than it says, and no more than the profile accepts."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from appliance.api.values import Endpoint
from appliance.members.certificate import Certificate
from appliance.runtime.members.entries import Policy, Reach, entry_of
from appliance.runtime.peers.table import Origin
from tests.unit.members.signed import certificate, grants

OVERLAY = (ip_network("10.7.0.0/16"), ip_network("fd00:7::/48"))


def gateway(*, is_exit: bool = True) -> Certificate:
    given = grants("10.7.0.2", "fd00:7::2", prefixes=("192.168.7.0/24", "172.16.0.0/12"), is_exit=is_exit)
    return certificate("gateway", grants=given)


@pytest.mark.parametrize(
    ("policy", "allowed", "cut"),
    [
        (Policy(OVERLAY), ["10.7.0.2/32", "fd00:7::2/128"], True),
        (Policy(OVERLAY[:1]), ["10.7.0.2/32"], True),
        (Policy(OVERLAY, (ip_network("192.168.0.0/16"),)), ["10.7.0.2/32", "fd00:7::2/128", "192.168.7.0/24"], True),
        (
            Policy(OVERLAY, (ip_network("192.168.0.0/16"), ip_network("172.16.0.0/12"))),
            ["10.7.0.2/32", "fd00:7::2/128", "172.16.0.0/12", "192.168.7.0/24"],
            False,
        ),
        (Policy(OVERLAY, (), "gateway"), ["10.7.0.2/32", "fd00:7::2/128", "0.0.0.0/0", "::/0"], True),
        (Policy(OVERLAY, (), "another"), ["10.7.0.2/32", "fd00:7::2/128"], True),
        (Policy(()), [], True),
    ],
)
def test_the_profile_decides_what_is_taken(policy: Policy, allowed: list[str], cut: bool) -> None:
    entry, less = entry_of(gateway(), policy, Reach())
    assert sorted(map(str, entry.allowed)) == sorted(allowed)
    assert less is cut
    assert (entry.name, entry.origin, entry.keepalive) == ("gateway", Origin.MEMBER, 0.0)


def test_who_may_not_be_an_exit_is_none() -> None:
    entry, cut = entry_of(gateway(is_exit=False), Policy(OVERLAY, (), "gateway"), Reach())
    assert (0 in {prefix.prefixlen for prefix in entry.allowed}, cut) == (False, True)


def test_a_neighbour_is_kept_alive() -> None:
    at = (Endpoint("udp", "192.0.2.1", 8443),)
    entry, _ = entry_of(certificate("x"), Policy(OVERLAY), Reach(at, alive=True))
    assert (entry.endpoints, entry.keepalive) == (at, 10.0)
