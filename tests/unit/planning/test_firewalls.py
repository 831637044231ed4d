"""What other people's base chains make of packets for us, rule by rule as nft prints them."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.profile import Profile
from appliance.linux.iptables import parsed
from appliance.planning.firewalls import hindrances

Rule = list[dict[str, Any]]
ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}
JUMP: dict[str, Any] = {"jump": {"target": "more"}}
XT: dict[str, Any] = {"xt": None}


def profile(**network: Any) -> Profile:
    sections = {"server": {"listen": ["udp://0.0.0.0:8443"]}, "network": {"addresses": ["10.8.0.1/24"], **network}}
    return Profile.model_validate({"profile": 1, **sections})


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": key}}, right, op)


def port(protocol: str, right: Any, field: str = "dport") -> dict[str, Any]:
    return match({"payload": {"protocol": protocol, "field": field}}, right)


def chain(name: str = "input", policy: str = "drop", hook: str = "input", **more: Any) -> dict[str, Any]:
    base = {"family": "inet", "table": "site", "name": name, "type": "filter", "hook": hook, "prio": 0, "policy": policy}
    return {"chain": base | more}


def ruleset(*rules: Rule, more: tuple[Rule, ...] = (), **base: Any) -> list[dict[str, Any]]:
    head = chain(**base)["chain"]
    place = {"family": head["family"], "table": head["table"]}
    written = [(head["name"], rule) for rule in rules] + [("more", rule) for rule in more]
    return [{"chain": head}, *({"rule": {**place, "chain": name, "expr": rule}} for name, rule in written)]


def verdict(entries: list[dict[str, Any]]) -> str:
    told = hindrances(profile(), entries)
    if not told:
        return "passes"
    [one] = told
    return "may stop" if " may stop " in one.finding else "stops"


STATE = match({"ct": {"key": "state"}}, ["established", "related"], "in")
STATES = {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", DROP], ["established", ACCEPT]]}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], "passes"),
        (ruleset(), "stops"),
        (ruleset(policy="accept"), "passes"),
        (ruleset([DROP], policy="accept"), "stops"),
        (ruleset([{"reject": {"type": "icmpx"}}], policy="accept"), "stops"),
        (ruleset([STATE, ACCEPT], [STATES], [meta("iif", "lo"), ACCEPT], [port("tcp", 22), ACCEPT]), "stops"),
        (ruleset([port("icmp", "echo-request", "type"), ACCEPT], [meta("l4proto", "icmp"), ACCEPT]), "stops"),
        (ruleset([port("ip", "tcp", "protocol"), ACCEPT]), "stops"),
        (ruleset([port("udp", 8443), {"counter": {"packets": 0}}, ACCEPT]), "passes"),
        (ruleset([port("udp", {"set": [1, {"range": [8000, 9000]}]}), ACCEPT]), "passes"),
        (ruleset([port("udp", {"range": [1, 99]}), ACCEPT]), "stops"),
        (ruleset([meta("l4proto", {"set": ["tcp", "udp"]}), port("th", 8443), ACCEPT]), "passes"),
        (ruleset([meta("l4proto", "tcp", "!="), ACCEPT]), "passes"),
        (ruleset([port("udp", "@open"), ACCEPT]), "may stop"),
        (ruleset([port("udp", 8443), port("ip", "192.0.2.0", "saddr"), ACCEPT]), "may stop"),
        (ruleset([XT, ACCEPT]), "may stop"),
        (ruleset([XT, ACCEPT], [DROP], policy="accept"), "may stop"),
        (ruleset([XT, DROP], policy="accept"), "passes"),
        (ruleset([port("udp", 8443), DROP], policy="accept"), "stops"),
        (ruleset([ACCEPT], [DROP]), "passes"),
        (ruleset([JUMP], more=([port("udp", 8443), ACCEPT],)), "passes"),
        (ruleset([XT, JUMP], more=([port("udp", 8443), ACCEPT],)), "may stop"),
        (ruleset([JUMP], more=([port("tcp", 8443), ACCEPT],)), "stops"),
        (ruleset([JUMP], [ACCEPT], more=([{"return": None}],)), "passes"),
        (ruleset([{"goto": {"target": "more"}}], [ACCEPT], more=([port("tcp", 1), ACCEPT],)), "stops"),
        (ruleset([JUMP], more=([JUMP],)), "stops"),  # the kernel refuses such a circle; we must not go round for ever
        (ruleset([JUMP], [port("udp", 8443), ACCEPT], more=([XT, {"return": None}], [XT, JUMP], [DROP])), "passes"),  # ufw's
        (ruleset([JUMP], [port("tcp", 22), ACCEPT], more=([XT, {"return": None}], [DROP])), "stops"),
        (ruleset(family="ip6"), "passes"),
        (ruleset(hook="forward"), "passes"),
        (ruleset(hook="prerouting"), "stops"),
        (ruleset(table="appliance"), "passes"),
        (ruleset(type="nat"), "passes"),
    ],
)
def test_a_base_chain_and_what_comes_to_the_listening_port(entries: list[dict[str, Any]], expected: str) -> None:
    assert verdict(entries) == expected


def test_what_is_told_names_the_chain_and_the_rule_that_would_help() -> None:
    [told] = hindrances(profile(), ruleset(prio=-5))
    assert "chain input (table inet site, hook input, priority -5, policy drop)" in told.finding
    assert "udp://0.0.0.0:8443" in told.finding
    assert told.todo.endswith("nft insert rule inet site input udp dport 8443 accept")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], " stops "),
        ([[meta("iifname", "llp0"), ACCEPT]], ""),
        ([[meta("iifname", "docker0"), ACCEPT]], " stops "),
        ([[meta("oifname", "eth0"), ACCEPT]], " may stop "),
    ],
)
def test_a_forwarding_host_and_the_forward_hook(rules: list[Rule], told: str) -> None:
    found = hindrances(profile(masquerade=["10.8.0.0/24"]), ruleset(*rules, hook="forward"))
    assert [told in one.finding for one in found] == ([True] if told else [])
    assert not hindrances(profile(), ruleset(*rules, hook="forward"))


def test_legacy_iptables_speaks_the_same_words() -> None:
    text = "-P INPUT DROP\n-P FORWARD ACCEPT\n-N ours\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j ours\n-A ours -p udp -j RETURN\n"
    [told] = hindrances(profile(), list(parsed(text, "ip")))
    assert " may stop " in told.finding
    assert told.todo.endswith("iptables-legacy -I INPUT -p udp --dport 8443 -j ACCEPT")
    assert not hindrances(profile(), list(parsed("-P INPUT DROP\n-A INPUT -j ACCEPT\n", "ip")))


def test_chains_that_call_each_other_are_worked_out_once() -> None:
    """Each calls the next one twice: without a memory that would be a walk of 2 to the power of 60."""
    entries = ruleset([{"jump": {"target": "c0"}}])
    for number in range(60):
        rule = {"family": "inet", "table": "site", "chain": f"c{number}", "expr": [XT, {"jump": {"target": f"c{number + 1}"}}]}
        entries += [{"rule": rule}, {"rule": rule}]
    assert verdict(entries) == "stops"
