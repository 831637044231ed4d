"""What rules say: about peers, members, tags, addresses, services and packets, here and further on."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from appliance.api.access import What
from appliance.api.profile import Profile
from appliance.policy.judging import Judge
from appliance.policy.subjects import HERE, Directory, Party

DIRECTORY = Directory(
    [
        Party("laptop", (ipaddress.ip_address("10.8.0.2"), ipaddress.ip_address("fd00:8::2")), frozenset({"admin"}), member=True),
        Party("printer", (ipaddress.ip_address("10.8.0.3"),), frozenset({"guest", "slow"}), member=True),
        Party("office", (ipaddress.ip_address("10.8.0.4"),)),
        Party("", (ipaddress.ip_address("10.8.0.5"),)),
    ]
)


def judge(*allow: dict[str, Any], **sections: Any) -> Judge:
    return Judge(Profile.model_validate({"profile": 1, "policy": {"allow": allow}, **sections}))


def allowed(judging: Judge, source: str, what: str, to: str = "") -> bool:
    """Of packets that IP version which the source has."""
    address = ipaddress.ip_address(source)
    target = DIRECTORY.subject(ipaddress.ip_address(to)) if to else HERE
    return judging.judge(DIRECTORY.subject(address), target, What.parse(what), address.version).allowed


def test_without_the_section_everything_is_allowed_and_with_an_empty_one_nothing() -> None:
    assert allowed(Judge(Profile.model_validate({"profile": 1})), "10.8.0.2", "tcp/22")
    assert not allowed(judge(), "10.8.0.2", "tcp/22")
    assert not allowed(judge(), "10.8.0.2", "service:ssh")


@pytest.mark.parametrize(
    ("who", "meant"),
    [
        ("laptop", {"10.8.0.2", "fd00:8::2"}),
        ("tag:guest", {"10.8.0.3"}),
        ("members", {"10.8.0.2", "fd00:8::2", "10.8.0.3"}),
        ("peers", {"10.8.0.2", "fd00:8::2", "10.8.0.3", "10.8.0.4", "10.8.0.5"}),
        ("10.8.0.0/30", {"10.8.0.2", "10.8.0.3"}),
        ("fd00::/16", {"fd00:8::2"}),
        ("any", {"10.8.0.2", "fd00:8::2", "10.8.0.3", "10.8.0.4", "10.8.0.5", "192.0.2.1"}),
    ],
)
def test_a_word_means_some_and_no_others(who: str, meant: set[str]) -> None:
    judging = judge({"from": [who], "what": ["tcp/22"]})
    everybody = ("10.8.0.2", "fd00:8::2", "10.8.0.3", "10.8.0.4", "10.8.0.5", "192.0.2.1")
    assert {address for address in everybody if allowed(judging, address, "tcp/22")} == meant


@pytest.mark.parametrize(
    ("what", "yes", "no"),
    [
        (["tcp/22"], ["tcp/22"], ["tcp/23", "udp/22", "service:ssh", "tcp"]),
        (["tcp/20-30"], ["tcp/20", "tcp/30", "tcp/22-25"], ["tcp/19", "tcp/31", "tcp/25-40"]),
        (["tcp"], ["tcp", "tcp/1", "tcp/65535"], ["udp/1", "service:ssh"]),
        (["icmp"], ["icmp"], ["udp/1"]),
        (["47"], ["gre"], ["esp"]),
        (["service:ssh"], ["service:ssh"], ["service:echo", "tcp/22"]),
        (["services"], ["service:ssh", "service:echo"], ["tcp/22"]),
        ([], ["service:ssh", "tcp/22", "icmp", "255"], []),
    ],
)
def test_what_is_used(what: list[str], yes: list[str], no: list[str]) -> None:
    judging = judge({"from": ["laptop"], "what": what})
    assert all(allowed(judging, "10.8.0.2", each) for each in yes)
    assert not any(allowed(judging, "10.8.0.2", each) for each in no)


def test_icmp_is_that_of_the_packets_version() -> None:
    judging = judge({"from": ["laptop"], "what": ["icmp"]})
    assert allowed(judging, "fd00:8::2", "icmpv6")
    assert not allowed(judge({"from": ["any"], "what": ["icmpv6"]}), "10.8.0.2", "icmp")


def test_what_is_passed_on_is_not_what_is_for_this_node() -> None:
    onwards = judge({"from": ["laptop"], "to": ["printer", "10.9.0.0/16"]})
    assert allowed(onwards, "10.8.0.2", "tcp/22", to="10.8.0.3")
    assert allowed(onwards, "10.8.0.2", "tcp/22", to="10.9.1.1")
    assert not allowed(onwards, "10.8.0.2", "tcp/22", to="10.8.0.4")
    assert not allowed(onwards, "10.8.0.2", "tcp/22"), "it says nothing of this node"
    assert not allowed(onwards, "10.8.0.3", "tcp/22", to="10.8.0.2"), "the other way is another rule"
    both = judge({"from": ["laptop"], "to": ["any"]})
    assert allowed(both, "10.8.0.2", "tcp/22")
    assert allowed(both, "10.8.0.2", "tcp/22", to="192.0.2.1")


def test_rules_only_add() -> None:
    rules: list[dict[str, Any]] = [{"from": ["laptop"], "what": ["tcp/22"]}, {"from": ["tag:guest"], "what": ["tcp/80"]}]
    for order in (rules, rules[::-1]):
        assert allowed(judge(*order), "10.8.0.2", "tcp/22")
        assert allowed(judge(*order), "10.8.0.3", "tcp/80")
        assert not allowed(judge(*order), "10.8.0.3", "tcp/22")


def test_the_port_of_streams_is_open_and_so_is_that_of_names_if_peers_may_ask() -> None:
    assert allowed(judge(), "10.8.0.2", "tcp/53") is False
    serving = judge(names={"label": "home", "serve": "peers"})
    assert allowed(serving, "10.8.0.2", "udp/53")
    verdict = judge().judge(DIRECTORY.subject(ipaddress.ip_address("10.8.0.2")), HERE, What(None, 6, (842, 842)))
    assert verdict == (True, None, "streams are judged when they name their service")
    assert not allowed(judge(), "10.8.0.2", "tcp", to="10.8.0.3")


def test_the_answer_names_the_rule() -> None:
    judging = judge({"from": ["office"]}, {"from": ["tag:admin"], "what": ["tcp/22"]})
    verdict = judging.judge(DIRECTORY.subject(ipaddress.ip_address("10.8.0.2")), HERE, What.parse("tcp/22"))
    assert (verdict.rule, verdict.why) == (1, "rule 2 allows it")
    denied = judging.judge(DIRECTORY.subject(ipaddress.ip_address("10.8.0.3")), HERE, What.parse("tcp/22"))
    assert (denied.rule, denied.why) == (None, "no rule allows it")
