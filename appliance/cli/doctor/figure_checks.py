"""Checks of the running node's figures, by the rules that watch them over time (`management.analytics.rules`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from appliance.cli.doctor.facts import NodeFacts
from appliance.cli.doctor.finding import Finding, warning
from appliance.management.analytics.rules import REMEDIES, Excess, between, limits


def loop_slow(facts: NodeFacts) -> Iterator[Finding]:
    """Everything else of the control process has to wait for a long turn."""
    for one in _beyond(facts, "loop-slow"):
        yield warning("loop-slow", one.reason, REMEDIES[one.rule])


def descriptors_few(facts: NodeFacts) -> Iterator[Finding]:
    """Without a descriptor there is no new link."""
    for one in _beyond(facts, "descriptors-few"):
        yield warning("descriptors-few", one.reason, REMEDIES[one.rule])


def host_short(facts: NodeFacts) -> Iterator[Finding]:
    """The node takes less of strangers then."""
    for one in _beyond(facts, "host-short"):
        yield warning("host-short", one.reason, REMEDIES[one.rule])


def disk_filling(facts: NodeFacts) -> Iterator[Finding]:
    """Without room there is no undo journal, so nothing may be changed."""
    for one in _beyond(facts, "disk-filling"):
        yield warning("disk-filling", one.reason, REMEDIES[one.rule])


def certificate_ends(facts: NodeFacts) -> Iterator[Finding]:
    """It should have been renewed long ago."""
    for one in _beyond(facts, "certificate-ends"):
        yield warning("certificate-ends", one.reason, REMEDIES[one.rule])


def drops_rising(facts: NodeFacts) -> Iterator[Finding]:
    """Only when the node was asked twice."""
    for one in between(facts.figures or {}, facts.later or {}):
        yield warning("drops-rising", one.reason, REMEDIES[one.rule])


def _beyond(facts: NodeFacts, rule: str) -> Iterator[Excess]:
    figures = facts.figures if facts.later is None else facts.later
    return (one for one in limits(figures or {}, facts.now) if one.rule == rule)


CHECKS: tuple[Callable[[NodeFacts], Iterator[Finding]], ...] = (
    loop_slow,
    descriptors_few,
    host_short,
    disk_filling,
    certificate_ends,
    drops_rising,
)
