"""A policy as chains and sets of nftables. That the kernel judges as the rules do is seen in tests/fuzz."""

from __future__ import annotations

import ipaddress
from typing import Any

from appliance.api.planning import HostState
from appliance.api.profile import Profile
from appliance.planning.access import MOST_RULES, elements_of, kept, too_many_rules
from appliance.planning.desired import desired, forwarded_versions
from appliance.planning.diff import plan
from appliance.planning.ledger import Ledger
from appliance.policy.subjects import Directory, Party

DIRECTORY = Directory(
    [
        Party("a", (ipaddress.ip_address("10.8.0.2"), ipaddress.ip_address("fd00::2")), frozenset({"x"}), member=True),
        Party("b", (ipaddress.ip_address("10.8.0.3"),), frozenset({"x"}), member=True),
    ]
)
HOST = HostState(tools={"nft": "/usr/sbin/nft"})


def profile(*allow: dict[str, Any], **network: Any) -> Profile:
    addressed = {"addresses": ["10.8.0.1/24"], **network}
    return Profile.model_validate({"profile": 1, "network": addressed, "policy": {"allow": allow}})


def table(wanted: Profile, host: HostState = HOST) -> list[dict[str, Any]]:
    made = desired(wanted, host, Ledger()).table
    assert made is not None
    return made


def named(entries: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {entry[kind]["name"]: entry[kind] for entry in entries if kind in entry}


def test_words_for_several_are_sets_that_the_running_node_fills() -> None:
    wanted = profile({"from": ["a", "tag:x", "10.8.0.9/32"], "to": ["members"]}, {"from": ["peers"], "what": ["service:ssh"]})
    sets = named(table(wanted), "set")
    assert {name for name in sets if not name.startswith("denied")} == {
        f"{word}_{version}" for word in ("name_a", "tag_x", "members") for version in (4, 6)
    }, "services are no matter of packets"
    assert elements_of(wanted, DIRECTORY) == {
        "name_a_4": ["10.8.0.2"],
        "name_a_6": ["fd00::2"],
        "tag_x_4": ["10.8.0.2", "10.8.0.3"],
        "tag_x_6": ["fd00::2"],
        "members_4": ["10.8.0.2", "10.8.0.3"],
        "members_6": ["fd00::2"],
    }


def test_a_table_that_is_replaced_keeps_what_sets_and_counters_held() -> None:
    before = table(profile({"from": ["a", "b"]}))
    for entry in before:
        if "set" in entry and entry["set"]["name"] in {"name_a_4", "name_b_4", "denied_from_4"}:
            entry["set"]["elem"] = [entry["set"]["name"]]
        if "counter" in entry:
            entry["counter"] |= {"packets": 7, "bytes": 700}
    after = table(profile({"from": ["a", "c"], "what": ["tcp"]}), HostState(tools=HOST.tools, tables={"inet appliance": before}))
    held = {name: each["elem"] for name, each in named(after, "set").items() if each.get("elem")}
    assert held == {"name_a_4": ["name_a_4"]}
    assert all(each["packets"] == 7 for each in named(after, "counter").values())
    assert kept([], before) == []


def test_other_members_are_no_other_plan_and_other_rules_are() -> None:
    wanted = profile({"from": ["a"], "what": ["tcp/22"]})
    there = table(wanted)
    named(there, "set")["name_a_4"]["elem"] = ["10.8.0.2"]
    host = HostState(tools=HOST.tools, tables={"inet appliance": there})
    verbs = [step.do.verb for step in plan(wanted, host).steps]
    assert "nft.replace" not in verbs
    assert "nft.replace" in [step.do.verb for step in plan(profile({"from": ["a"], "what": ["tcp/23"]}), host).steps]


def test_a_hub_with_a_policy_has_the_kernel_forward() -> None:
    both = ["10.8.0.1/24", "fd00::1/64"]
    assert forwarded_versions(profile(forward=True, addresses=both)) == {4, 6}
    assert forwarded_versions(profile(addresses=both)) == set()


def test_a_policy_that_would_make_each_packet_slow_is_refused() -> None:
    few = profile(*[{"from": [f"a{number}"]} for number in range(256)])
    assert not list(too_many_rules(few))
    words = [f"p{number}" for number in range(64)]
    [problem] = too_many_rules(profile(*[{"from": words, "to": words, "what": ["tcp/1"]} for _ in range(64)]))
    assert problem.path == "policy.allow"
    assert str(MOST_RULES) in problem.message
