"""The firewalls of others: base chains of nftables that would stop what the node listens for, or what the host is to forward.

A packet has to pass every base chain of a hook: an accept in our own table decides for our own table only. If the text of a rule
does not tell (sets that change, marks, limits, modules of iptables), we say that the firewall "may stop" the traffic.

The ruleset is what `nft -j list ruleset` says: {"chain": {"family", "table", "name", "type", "hook", "prio", "policy"}} and
{"rule": {"family", "table", "chain", "expr": [match or statement, …]}} in the kernel's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from appliance.api.planning import Advice
from appliance.api.profile import Profile
from appliance.planning import own
from appliance.planning.desired import forwarded_versions
from appliance.planning.firewall_tools import opening

CODE: Final = "firewall-in-the-way"
FAMILIES: Final = {4: {"ip", "inet"}, 6: {"ip6", "inet"}}
BEFORE: Final = "prerouting"
"""The hook that all packets from outside pass first."""
ACCEPT, DROP, ON = "accept", "drop", ""
VERDICTS: Final = {"accept": ACCEPT, "drop": DROP, "reject": DROP, "return": ON, "jump": "", "goto": ""}
UNJUDGED: Final = frozenset({"xt", "limit", "vmap", "meter"})
"""Parts of a rule that depend on more than its text."""

TRANSPORTS: Final = frozenset({"tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "ah", "esp"})

Place = tuple[str, str, str]
Chains = Mapping[Place, Sequence[Sequence[Mapping[str, Any]]]]


class Traffic(NamedTuple):
    """New packets from elsewhere that must get through."""

    hook: str
    """"input" or "forward"."""
    version: int
    """4 or 6."""
    facts: Mapping[str, Any]
    """What is known of all of them: "iifname", "protocol", "dport"."""
    what: str
    """The traffic in words, for the admin."""


class Fate(NamedTuple):
    """What rules do with a packet."""

    verdict: str
    """ACCEPT, DROP, or ON: they do not decide."""
    unsure: bool
    """A rule that cannot be judged may accept it."""


def hindrances(profile: Profile, ruleset: Sequence[Mapping[str, Any]]) -> tuple[Advice, ...]:
    """What in the host's `ruleset` stops the node's traffic, or may stop it."""
    chains: dict[Place, list[Any]] = {}
    for rule in (entry["rule"] for entry in ruleset if "rule" in entry):
        chains.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule.get("expr") or [])
    bases = [entry["chain"] for entry in ruleset if "chain" in entry and entry["chain"].get("type") == "filter"]
    found = (
        _hindrance(base, traffic, fate, chains)
        for traffic in _traffic(profile)
        for base in bases
        if base["hook"] in {traffic.hook, BEFORE} and base["family"] in FAMILIES[traffic.version] and not _is_ours(base)
        if (fate := _fate_in(base, traffic, chains)).verdict == DROP
    )
    return tuple(dict.fromkeys(found))


def told_of(advice: Iterable[Advice]) -> tuple[Advice, ...]:
    """What of all advice of a plan is about firewalls."""
    return tuple(one for one in advice if one.code == CODE)


def _is_ours(base: Mapping[str, Any]) -> bool:
    return f"{base['family']} {base['table']}" == own.TABLE


def _traffic(profile: Profile) -> Iterator[Traffic]:
    for endpoint in profile.server.listen:
        if endpoint.scheme in {"udp", "tcp"}:
            facts = {"protocol": endpoint.scheme, "dport": endpoint.port}
            yield Traffic("input", 6 if ":" in endpoint.host else 4, facts, f"what comes to {endpoint}")
    interface = profile.network.interface
    for version in sorted(forwarded_versions(profile)):
        yield Traffic("forward", version, {"iifname": interface}, f"IPv{version} that is forwarded from {interface}")


def _hindrance(base: Mapping[str, Any], traffic: Traffic, fate: Fate, chains: Chains) -> Advice:
    described = f"the firewall's chain {base['name']} (table {base['family']} {base['table']}, hook {base['hook']}"
    described += f", priority {base.get('prio')}, policy {base.get('policy', 'accept')})"
    verb = "may stop" if fate.unsure else "stops"
    rules = chains.get((base["family"], base["table"], base["name"]), ())
    targets = {str(part[way]["target"]) for rule in rules for part in rule for way in ("jump", "goto") if way in part}
    commands = opening(base, targets, traffic.facts, forwarded=traffic.hook == "forward")
    return Advice(
        "firewall-in-the-way",
        f"{described} {verb} {traffic.what}",
        f"let it through where that firewall is set up: {' && '.join(commands)}",
    )


def _fate_in(base: Mapping[str, Any], traffic: Traffic, chains: Chains) -> Fate:
    fate = _fate((base["family"], base["table"], base["name"]), traffic, chains, {})
    return fate if fate.verdict else Fate(base.get("policy", ACCEPT), fate.unsure)


def _fate(at: Place, traffic: Traffic, chains: Chains, known: dict[Place, Fate]) -> Fate:
    """What the rules of a chain do with such packets, worked out once. A rule that drops and may fit is taken to be meant for
    other packets, and so is one that drops all which a rule before did not return, if that may fit (ufw-not-local)."""
    if at not in known:
        known[at] = Fate(ON, unsure=False)  # for a chain that jumps to itself, which the kernel would refuse
        known[at] = _work_out(at, traffic, chains, known)
    return known[at]


def _work_out(at: Place, traffic: Traffic, chains: Chains, known: dict[Place, Fate]) -> Fate:
    unsure = may_return = False
    for rule in chains.get(at, ()):
        fits = _fits(rule, traffic)
        statement = next((part for part in rule if VERDICTS.keys() & part.keys()), None)
        if fits is False or (statement is None and not any("vmap" in part for part in rule)):
            continue
        kind = next(iter(statement)) if statement is not None else ""
        fate = Fate(VERDICTS.get(kind, ON), unsure=not kind)  # a verdict map is no verdict that could be judged
        if statement is not None and kind in {"jump", "goto"}:
            fate = _fate((at[0], at[1], statement[kind]["target"]), traffic, chains, known)
        if fits and (fate.verdict or kind in {"return", "goto"}):
            if fate.verdict == DROP and may_return:
                break
            return Fate(fate.verdict, unsure or fate.unsure)
        may_return = may_return or kind == "return"
        unsure = unsure or fate.unsure or (not fits and fate.verdict == ACCEPT)
    return Fate(ON, unsure)


def _fits(rule: Iterable[Mapping[str, Any]], traffic: Traffic) -> bool | None:
    """Does a rule match all of such packets (True), none (False), or can that not be told (None)?"""
    judged = [_matches(part["match"], traffic.facts) if "match" in part else _unmatched(part) for part in rule]
    return False if False in judged else None if None in judged else True


def _unmatched(part: Mapping[str, Any]) -> bool | None:
    if (verdicts := part.get("vmap")) and verdicts.get("key") == _CT_STATE and isinstance(verdicts.get("data"), Mapping):
        return None if any(entry[0] == "new" for entry in verdicts["data"].get("set", ())) else False
    return None if part.keys() & UNJUDGED else True


_CT_STATE: Final = {"ct": {"key": "state"}}


def _matches(match: Mapping[str, Any], facts: Mapping[str, Any]) -> bool | None:
    negated = match["op"] == "!="
    values = _several(match["right"])
    if match["op"] not in {"==", "!=", "in"} or any(isinstance(value, str) and value.startswith("@") for value in values):
        return None
    if match["left"] == _CT_STATE:
        return bool(("new" in values) != negated)
    key, of = _subject(match["left"])
    if key == "iifname" and values == ["lo"]:
        return bool(negated)  # they come from elsewhere
    if of and of != facts.get("protocol"):  # something in the header of another protocol
        return False if "protocol" in facts else None
    return any(_covers(value, facts[key]) for value in values) != negated if key in facts else None


def _subject(left: Any) -> tuple[str, str]:
    """Which of our facts a match looks at ("" for any other), and the transport protocol that it presumes."""
    if not isinstance(left, Mapping):
        return "", ""
    if "meta" in left:
        return {"l4proto": "protocol", "iif": "iifname"}.get(left["meta"]["key"], str(left["meta"]["key"])), ""
    payload = left.get("payload") or {}
    protocol, field = payload.get("protocol", ""), payload.get("field", "")
    if field in {"protocol", "nexthdr"}:
        return "protocol", ""
    return ("dport" if field == "dport" else ""), (protocol if protocol in TRANSPORTS else "")


def _several(right: Any) -> list[Any]:
    if isinstance(right, Mapping) and "set" in right:
        return list(right["set"])
    return list(right) if isinstance(right, list) else [right]


def _covers(one: Any, value: Any) -> bool:
    if isinstance(one, Mapping) and "range" in one:
        low, high = one["range"]
        return isinstance(value, int) and isinstance(low, int) and low <= value <= high
    return bool(one == value)
