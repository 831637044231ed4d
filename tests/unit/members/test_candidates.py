"""What a peer names as its addresses is judged, and what is sent to a host has a budget."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.members.candidates import MAX_NAMED, MAX_TRIED, PROBES_PER_HOST, PROBES_PER_SECOND, Judge, ProbeBudget, Unfit

OVERLAY = (ipaddress.ip_network("10.8.0.0/24"), ipaddress.ip_network("fd00:8::/64"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("udp://224.0.0.1:5353", Unfit.MULTICAST),
        ("udp://[ff02::1]:5353", Unfit.MULTICAST),
        ("udp://127.0.0.1:53", Unfit.LOOPBACK),
        ("udp://[::1]:53", Unfit.LOOPBACK),
        ("udp://169.254.169.254:80", Unfit.LINK_LOCAL),
        ("udp://[fe80::1]:8443", Unfit.LINK_LOCAL),
        ("udp://[fe80::1%eth0]:8443", Unfit.FORM),
        ("udp://255.255.255.255:8443", Unfit.NOWHERE),
        ("udp://0.0.0.0:8443", Unfit.NOWHERE),
        ("udp://0.1.2.3:8443", Unfit.NOWHERE),
        ("udp://[::]:8443", Unfit.NOWHERE),
        ("udp://240.0.0.1:8443", Unfit.NOWHERE),
        ("udp://[::ffff:192.0.2.1]:8443", Unfit.FORM),
        ("udp://10.8.0.7:8443", Unfit.OVERLAY),
        ("udp://[fd00:8::7]:8443", Unfit.OVERLAY),
        ("udp://198.51.100.1:8443", Unfit.OVERLAY),
        ("tcp://192.0.2.1:8443", Unfit.SCHEME),
        ("udp://vpn.example:8443", Unfit.FORM),
        ("udp://192.0.2.1:0", Unfit.FORM),
        ("udp://192.0.2.1:8443" + " " * 100, Unfit.FORM),
        ("", Unfit.FORM),
        (7, Unfit.FORM),
        (None, Unfit.FORM),
        (["udp://192.0.2.1:8443"], Unfit.FORM),
    ],
)
def test_what_would_do_harm_is_not_tried(text: Any, reason: Unfit) -> None:
    judge = Judge(OVERLAY, ["198.51.100.1"])
    assert judge.fit([text]) == ()
    assert judge.counters == {reason: 1}


@pytest.mark.parametrize("named", [None, "udp://192.0.2.1:8443", {"0": "udp://192.0.2.1:8443"}, 3])
def test_what_is_no_list_names_nothing(named: Any) -> None:
    judge = Judge(OVERLAY)
    assert judge.fit(named) == ()
    assert judge.counters[Unfit.FORM] == 1


def test_good_addresses_are_tried_once_each_in_the_peers_order() -> None:
    judge = Judge(OVERLAY)
    named = ["udp://192.0.2.1:8443", "udp://[2001:DB8::0:1]:8443", "udp://192.0.2.1:8443", "udp://10.9.0.1:40000"]
    assert judge.fit(named) == (
        Endpoint("udp", "192.0.2.1", 8443),
        Endpoint("udp", "2001:db8::1", 8443),
        Endpoint("udp", "10.9.0.1", 40000),
    )
    assert not judge.counters


def test_a_peer_that_names_a_thousand_addresses_has_a_few_of_them_tried() -> None:
    judge = Judge(OVERLAY)
    assert len(judge.fit([f"udp://192.0.2.1:{port}" for port in range(1000, 2000)])) == MAX_TRIED
    assert judge.counters == {Unfit.TOO_MANY: 1000 - MAX_NAMED + MAX_NAMED - MAX_TRIED}


def test_the_host_and_the_profile_change() -> None:
    judge = Judge(OVERLAY)
    judge.use((), ["192.0.2.1"])
    assert judge.fit(["udp://10.8.0.7:1", "udp://192.0.2.1:1"]) == (Endpoint("udp", "10.8.0.7", 1),)


def test_whoever_names_a_host_it_gets_no_more_than_its_budget() -> None:
    budget = ProbeBudget(0.0)
    sent = sum(budget.take("192.0.2.1", tenth / 10) for tenth in range(100) for _ in range(100))
    assert sent <= PROBES_PER_HOST * 11
    assert budget.held_back == 10_000 - sent
    assert budget.take("192.0.2.2", 10.0)


def test_all_hosts_together_get_no_more_than_the_nodes_budget() -> None:
    budget = ProbeBudget(0.0)
    sent = sum(budget.take(f"192.0.{number >> 8}.{number & 255}", 0.0) for number in range(5000))
    assert sent == PROBES_PER_SECOND
