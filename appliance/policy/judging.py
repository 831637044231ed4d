"""The rules of a policy, and what they say about one thing that somebody would begin.

Rules only allow, so their order means nothing. What is judged is always who begins: answers belong to what was begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.api.access import Group, What
from appliance.api.profile_policy import STREAMS_PORT
from appliance.policy.subjects import HERE, Subject

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.profile_policy import PolicyRuleEntry

TCP: Final = 6
UDP: Final = 17
DNS_PORT: Final = 53


class Verdict(NamedTuple):
    """What the rules say."""

    allowed: bool
    rule: int | None
    """Number of the first rule that allows it, from 0. None: none does, though it may be `allowed`."""
    why: str
    """A sentence for the admin."""


class Judge:
    """The policy of a profile. Without the section everything is allowed."""

    def __init__(self, profile: Profile) -> None:
        self.rules: tuple[PolicyRuleEntry, ...] | None = None if profile.policy is None else profile.policy.allow
        self.open_ports = open_ports(profile)

    def judge(self, source: Subject, target: Subject, what: What, version: int = 4) -> Verdict:
        """May `source` begin `what` with `target`? `version` is that of its packets."""
        if self.rules is None:
            return Verdict(allowed=True, rule=None, why="there is no policy")
        for number, entry in enumerate(self.rules):
            if (
                (not entry.what or any(used.covers(what, version) for used in entry.what))
                and any(source.is_meant_by(who) for who in entry.from_)
                and any(target.is_meant_by(who) for who in entry.to)
                and (what.service is None or target.here)
            ):
                return Verdict(allowed=True, rule=number, why=f"rule {number + 1} allows it")
        if target.here and (why := self._always(what)):
            return Verdict(allowed=True, rule=None, why=why)
        return Verdict(allowed=False, rule=None, why="no rule allows it")

    def _always(self, what: What) -> str:
        """Why packets to this node are let in whatever the rules say; "" if they are not."""
        if what.service is None and what.ports is not None and what.ports[0] == what.ports[1]:
            return self.open_ports.get((what.protocol, what.ports[0]), "")
        return ""


def open_ports(profile: Profile) -> dict[tuple[int, int], str]:
    """Protocols and ports of this node that are let in from all peers, each with the reason."""
    streams = "streams are judged when they name their service"
    found = {(TCP, STREAMS_PORT): streams, (UDP, STREAMS_PORT): streams}
    if profile.names is not None and profile.names.serve == "peers":
        found |= dict.fromkeys(((TCP, DNS_PORT), (UDP, DNS_PORT)), "this node answers peers' questions for names")
    return found


def names_here(entry: PolicyRuleEntry) -> bool:
    """Is the rule about this node?"""
    return any(HERE.is_meant_by(who) for who in entry.to)


def names_others(entry: PolicyRuleEntry) -> bool:
    """Is the rule about what this node passes on?"""
    return any(who.group is not Group.SELF for who in entry.to)


def uses_packets(entry: PolicyRuleEntry) -> bool:
    """Is the rule about packets too, and not about services alone?"""
    return not entry.what or any(used.service is None for used in entry.what)
