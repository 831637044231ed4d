"""A policy as chains of the node's nftables table: what comes out of the overlay's interface, and what the kernel passes on.

    policy_input     hook input    from the overlay: answers, open ports, then the rules about this node
    policy_forward   hook forward  from or to the overlay: the rules about others, for both directions of a connection
      policy_passing   by name, tag or group: only for what comes from the overlay, and answers
    policy_N_to, policy_N_what     the rule number N: with whom, and what

What is judged is who began: rules look at the addresses and ports of a connection's first packet (ct original). So a connection
whose rule is gone ends at once, both ways, and nobody has to look for it in the kernel's table of connections.

Names, tags and groups are sets of addresses, which a running node fills (`elements_of`): peers come and go without another plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.api.access import ICMP, ICMPV6, Group, What, Who
from appliance.api.values import Problem
from appliance.planning.ruleset import Ruleset, chain, match, rule
from appliance.policy.judging import names_here, names_others, open_ports, uses_packets
from appliance.policy.subjects import Directory

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.profile_policy import PolicyRuleEntry
    from appliance.api.values import Network

INPUT, FORWARD, PASSING = "policy_input", "policy_forward", "policy_passing"
PRIORITY: Final = 0  # "filter"
DENIED_INPUT, DENIED_FORWARD = "denied_input", "denied_forward"
COUNTERS: Final = {DENIED_INPUT: "to this node", DENIED_FORWARD: "passed on"}
DENIED: Final = {4: "denied_from_4", 6: "denied_from_6"}
"""Sets of the addresses whose packets were denied, each with a counter."""
MOST_DENIED: Final = 1024
"""Addresses in one of these sets; of further ones only the sum is counted."""
DENIED_SECONDS: Final = 86_400
"""How long an address stays there after its last denied packet."""
MOST_RULES: Final = 4096
"""Rules of the kernel that one policy may need. Chosen: a packet that fits none of them costs about 0.1 ms."""

_FAMILIES: Final = {4: "ip", 6: "ip6"}
_TYPES: Final = {4: "ipv4_addr", 6: "ipv6_addr"}
_REPLY: Final = match({"ct": {"key": "direction"}}, "reply")
_ACCEPT: Final = {"accept": None}


def access_chains(profile: Profile, place: Mapping[str, str]) -> Ruleset:
    """Counters, sets, chains and rules of a profile's policy, without elements; nothing if it has none."""
    if profile.policy is None:
        return []
    return _Compiled(profile, place).entries()


def too_many_rules(profile: Profile) -> Iterator[Problem]:
    """A policy that would make each packet slow."""
    needed = sum("rule" in entry for entry in access_chains(profile, {}))
    if needed > MOST_RULES:
        yield Problem(
            "policy.allow",
            f"the kernel would need {needed} rules for this, and at most {MOST_RULES} are taken",
            "name several peers by one tag or prefix",
        )


def set_name(who: Who, version: int) -> str:
    """The set of the addresses of a name, a tag or a group."""
    return f"{who.group}{'_' if who.name else ''}{who.name}_{version}"


def elements_of(profile: Profile, directory: Directory) -> dict[str, list[str]]:
    """What all sets of the policy hold while the peers are these."""
    return {
        set_name(who, version): directory.addresses(who, version)
        for who in words(profile, of_packets=True)
        for version in _FAMILIES
    }


def kept(entries: Ruleset, before: Iterable[Mapping[str, Any]]) -> Ruleset:
    """`entries` with what sets and counters of the same names held `before`: the table is replaced as a whole, and that should
    lock no peer out for a moment."""
    held = {(kind, body.get("name")): body for entry in before for kind, body in entry.items() if kind in {"set", "counter"}}
    return [
        {kind: body | _held(kind, held.get((kind, body.get("name")), {})) for kind, body in entry.items()} for entry in entries
    ]


def _held(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "counter":
        return {key: body[key] for key in ("packets", "bytes") if key in body}
    if kind == "set" and body.get("name") not in DENIED.values() and body.get("elem"):
        return {"elem": body["elem"]}
    return {}


def words(profile: Profile, *, of_packets: bool = False) -> tuple[Who, ...]:
    """The names, tags and groups that the rules have; with `of_packets` those of rules that are not about services alone."""
    rules = () if profile.policy is None else profile.policy.allow
    several = (who for rule in rules if not of_packets or uses_packets(rule) for who in (*rule.from_, *rule.to))
    return tuple(dict.fromkeys(who for who in several if who.group not in {Group.ANY, Group.SELF, Group.PREFIX}))


class _Compiled:
    def __init__(self, profile: Profile, place: Mapping[str, str]) -> None:
        assert profile.policy is not None
        self._profile, self._place = profile, place
        self._rules = [(number, each) for number, each in enumerate(profile.policy.allow, 1) if uses_packets(each)]
        interface = profile.network.interface
        self._from_overlay = match({"meta": {"key": "iifname"}}, interface)
        self._not_from_overlay = match({"meta": {"key": "iifname"}}, interface, operator="!=")
        self._not_to_overlay = match({"meta": {"key": "oifname"}}, interface, operator="!=")

    def entries(self) -> Ruleset:
        names = [f"policy_{number}_what" for number, _ in self._rules]
        names += [f"policy_{number}_to" for number, each in self._rules if names_others(each)]
        found: Ruleset = [{"counter": {**self._place, "name": name}} for name in COUNTERS]
        found += [
            self._set(set_name(who, version), version) for who in words(self._profile, of_packets=True) for version in _FAMILIES
        ]
        found += [self._set(name, version, **_LIMITED) for version, name in DENIED.items()]
        found += [{"chain": {**self._place, "name": name}} for name in (*names, PASSING)]
        found.append(chain(self._place, INPUT, "filter", PRIORITY, hook="input"))
        found.append(chain(self._place, FORWARD, "filter", PRIORITY, hook="forward"))
        found += [rule(self._place, name, [*expressions]) for name, expressions in self._lines()]
        return found

    def _set(self, name: str, version: int, **more: Any) -> dict[str, Any]:
        return {"set": {**self._place, "name": name, "type": _TYPES[version], **more}}

    def _lines(self) -> Iterator[tuple[str, Sequence[Any]]]:
        for number, each in self._rules:
            yield from ((f"policy_{number}_what", line) for line in _uses(each))
            if names_others(each):
                there = _jump(f"policy_{number}_what")
                yield from ((f"policy_{number}_to", (*ends, there)) for ends in _ends("daddr", each.to))
        yield from ((INPUT, line) for line in self._input())
        yield from ((PASSING, line) for line in self._passing(known=True))
        yield from ((FORWARD, line) for line in self._forward())

    def _input(self) -> Iterator[Sequence[Any]]:
        yield (self._not_from_overlay, _ACCEPT)
        yield (match({"ct": {"key": "state"}}, "related", operator="in"), _ACCEPT)
        yield (_REPLY, _ACCEPT)  # to what this node began
        for address in self._profile.network.addresses:
            here = _original("daddr", address.version, str(address.ip))
            for protocol, port in open_ports(self._profile):
                yield (here, _is_protocol(protocol), match({"payload": {"protocol": "th", "field": "dport"}}, port), _ACCEPT)
        for number, each in self._rules:
            if names_here(each):
                yield from ((*ends, _jump(f"policy_{number}_what")) for ends in _ends("saddr", each.from_))
        yield from _denied(DENIED_INPUT)

    def _passing(self, *, known: bool) -> Iterator[Sequence[Any]]:
        """By names, tags and groups (`known`), or by addresses alone."""
        for number, each in self._rules:
            if names_others(each):
                senders = [who for who in each.from_ if (who.group not in {Group.ANY, Group.PREFIX}) is known]
                yield from ((*ends, _jump(f"policy_{number}_to")) for ends in _ends("saddr", senders))

    def _forward(self) -> Iterator[Sequence[Any]]:
        yield (self._not_from_overlay, self._not_to_overlay, _ACCEPT)
        yield (match({"ct": {"key": "state"}}, "related", operator="in"), _ACCEPT)
        # From elsewhere anybody may write the address of a peer as source; an answer has a connection that was judged.
        yield (self._from_overlay, _jump(PASSING))
        yield (_REPLY, _jump(PASSING))
        yield from self._passing(known=False)
        yield from _denied(DENIED_FORWARD)


_LIMITED: Final[Mapping[str, Any]] = {"size": MOST_DENIED, "flags": ["timeout"], "timeout": DENIED_SECONDS}


def _uses(each: PolicyRuleEntry) -> Iterator[Sequence[Any]]:
    """What the rule lets pass, of packets."""
    if not each.what:
        yield (_ACCEPT,)
    for used in each.what:
        if used.service is None:
            yield from _use(used)


def _use(used: What) -> Iterator[Sequence[Any]]:
    ports = () if used.ports is None else (match({"ct": {"key": "proto-dst", "dir": "original"}}, _range(used.ports)),)
    if used.protocol != ICMPV6:
        only = (match({"meta": {"key": "nfproto"}}, "ipv4"),) if used.protocol == ICMP else ()
        yield (*only, _is_protocol(used.protocol), *ports, _ACCEPT)
    if used.protocol in {ICMP, ICMPV6}:
        yield (match({"meta": {"key": "nfproto"}}, "ipv6"), _is_protocol(ICMPV6), _ACCEPT)


def _ends(field: str, several: Sequence[Who]) -> Iterator[Sequence[Any]]:
    """What tells that one end of a connection is one of these. For `saddr` and `daddr` of its first packet."""
    if any(who.group is Group.ANY for who in several):
        yield ()
        return
    for who in dict.fromkeys(several):
        if who.prefix is not None:
            yield (_original(field, who.prefix.version, _prefix(who.prefix)),)
        elif who.group is not Group.SELF:
            yield from ((_original(field, version, f"@{set_name(who, version)}"),) for version in _FAMILIES)


def _original(field: str, version: int, right: Any) -> dict[str, Any]:
    return match({"ct": {"key": f"{_FAMILIES[version]} {field}", "dir": "original"}}, right)


def _denied(counter: str) -> Iterator[Sequence[Any]]:
    for version, name in DENIED.items():
        source = {"payload": {"protocol": _FAMILIES[version], "field": "saddr"}}
        yield ({"set": {"op": "update", "elem": source, "set": f"@{name}", "stmt": [{"counter": None}]}},)
    yield ({"counter": counter}, {"drop": None})


def _is_protocol(number: int) -> dict[str, Any]:
    return match({"meta": {"key": "l4proto"}}, number)


def _jump(name: str) -> dict[str, Any]:
    return {"jump": {"target": name}}


def _range(ports: tuple[int, int]) -> Any:
    return ports[0] if ports[0] == ports[1] else {"range": list(ports)}


def _prefix(prefix: Network) -> Any:
    return {"prefix": {"addr": str(prefix.network_address), "len": prefix.prefixlen}}
