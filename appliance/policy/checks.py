"""What is wrong with a policy: words that mean nobody, answers that are not as its tests expect."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from appliance.api.access import WORDS, Group, Who
from appliance.api.values import Network, Problem
from appliance.policy.judging import Judge, Verdict
from appliance.policy.subjects import HERE, Subject

if TYPE_CHECKING:
    from appliance.api.profile import Peer, Profile
    from appliance.api.profile_policy import Policy, PolicyTestEntry

_MEMBERS_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
EVERYTHING: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def problems(profile: Profile, overlay: tuple[Network, ...]) -> tuple[Problem, ...]:
    """All problems of the section `policy`: those of its words, or else those of its tests. `overlay`: where members' addresses
    lie."""
    if profile.policy is None:
        return ()
    return tuple(_of_words(profile, profile.policy)) or tuple(_of_tests(profile, profile.policy, overlay))


def own_addresses(peer: Peer) -> tuple[Network, ...]:
    """Those allowed prefixes of a peer that are single addresses."""
    return tuple(prefix for prefix in peer.allowed if prefix.prefixlen == prefix.max_prefixlen)


def _of_words(profile: Profile, policy: Policy) -> Iterator[Problem]:
    for number, peer in enumerate(profile.peers):
        if peer.name in WORDS:
            yield Problem(
                f"peers.{number}.name", f"{peer.name!r} means something else in a policy", "call the peer something else"
            )
    peers = {peer.name: peer for peer in profile.peers}
    for number, rule in enumerate(policy.allow):
        for key, several in (("from", rule.from_), ("to", rule.to)):
            for index, who in enumerate(several):
                yield from _of_word(who, f"policy.allow.{number}.{key}.{index}", peers, members=profile.mesh is not None)
    for number, entry in enumerate(policy.tests):
        for key, who in (("from", entry.from_), ("to", entry.to)):
            yield from _of_word(who, f"policy.tests.{number}.{key}", peers, members=profile.mesh is not None)


def _of_word(who: Who, path: str, peers: dict[str, Peer], *, members: bool) -> Iterator[Problem]:
    if who.group in {Group.MEMBERS, Group.TAG} and not members:
        yield Problem(path, f"{who} means nobody: this node has no section mesh", "write names of peers, peers, or prefixes")
    if who.group is not Group.NAME:
        return
    peer = peers.get(who.name)
    if peer is None and not (members and _MEMBERS_NAME.fullmatch(who.name)):
        yield Problem(path, f"there is no peer {who.name!r}", f"the peers are {', '.join(sorted(peers)[:8])}" if peers else "")
    elif peer is not None and not own_addresses(peer):
        wide = ", ".join(map(str, peer.allowed[:3]))
        yield Problem(
            path, f"peer {who.name!r} has no address of its own, only what is behind it ({wide})", "write the prefix instead"
        )


def _of_tests(profile: Profile, policy: Policy, overlay: tuple[Network, ...]) -> Iterator[Problem]:
    judge = Judge(profile)
    for number, entry in enumerate(policy.tests):
        verdict = _answer(judge, profile, entry, overlay)
        if verdict.allowed != (entry.expect == "allow"):
            asked = f"{entry.from_} to {entry.to} with {entry.what}"
            found = "allowed" if verdict.allowed else "denied"
            yield Problem(
                f"policy.tests.{number}.expect", f"{asked} is {found}, expected {entry.expect}", _hint(verdict, policy, number)
            )


def _hint(verdict: Verdict, policy: Policy, number: int) -> str:
    if verdict.rule is None:
        return f"{verdict.why}; change allow, or what test {number + 1} expects"
    rule = policy.allow[verdict.rule]
    names = ", ".join(map(str, rule.from_))
    return f"policy.allow.{verdict.rule} (from {names}) allows it; narrow that rule, or change what the test expects"


def _answer(judge: Judge, profile: Profile, entry: PolicyTestEntry, overlay: tuple[Network, ...]) -> Verdict:
    source, target = _somebody(entry.from_, profile, overlay, frozenset(entry.tags)), _somebody(entry.to, profile, overlay)
    verdicts = [judge.judge(source, target, entry.what, version) for version in sorted(_versions(source, target))]
    return next((verdict for verdict in verdicts if verdict.allowed), verdicts[0])


def _versions(source: Subject, target: Subject) -> set[int]:
    """IP versions that both ends may have."""
    known = [{network.version for network in each.networks} for each in (source, target) if each.networks]
    return set.intersection({4, 6}, *known) or {4}


def _somebody(who: Who, profile: Profile, overlay: tuple[Network, ...], tags: frozenset[str] = frozenset()) -> Subject:
    """Somebody whom that word means, and of whom nothing else is known."""
    if who.group is Group.SELF:
        return HERE
    if who.prefix is not None:
        return _with_that_address(who.prefix, profile) or Subject((who.prefix,))
    peer = next((peer for peer in profile.peers if who.group is Group.NAME and peer.name == who.name), None)
    if peer is not None:
        return Subject(own_addresses(peer), peer.name, tags, peer=True, member=bool(tags))
    if who.group in {Group.ANY, Group.PEERS}:
        return Subject(EVERYTHING, peer=who.group is Group.PEERS)
    tags |= {who.name} if who.group is Group.TAG else frozenset()
    return Subject(overlay, who.name if who.group is Group.NAME else "", tags, peer=True, member=True)


def _with_that_address(prefix: Network, profile: Profile) -> Subject | None:
    for peer in profile.peers:
        if prefix in own_addresses(peer):
            return Subject((prefix,), peer.name, peer=True)
    if any(prefix == ipaddress.ip_network(address.ip) for address in profile.network.addresses):
        return HERE
    return None
