from __future__ import annotations

from typing import Any

import pytest

from appliance.management.analytics import rules
from appliance.management.analytics.rules import between, duration, figure, limits, size

NOW = 1_764_000_000
DAY = 86400
MIB = 1 << 20


def said(document: dict[str, Any]) -> dict[str, str]:
    return {one.rule: one.reason for one in limits(document, NOW)}


def test_a_node_that_is_well() -> None:
    document = {
        "loop": {"longest": 0.2, "late": 5},
        "processes": [{"name": "control", "descriptors": 80, "most_descriptors": 100}, {"name": "worker 0", "descriptors": None}],
        "disk": {"total": 100 * MIB, "free": 5 * MIB},
        "certificate": {"not_before": NOW - 25 * DAY, "not_after": NOW + 5 * DAY},
    }
    assert said(document) == {}
    assert said({}) == {}, "an older node says less"


def test_each_limit_says_its_figures() -> None:
    document = {
        "uptime": 3600.0,
        "loop": {"longest": 0.31, "late": 5},
        "processes": [{"name": "control", "descriptors": 81, "most_descriptors": 100}],
        "disk": {"total": 100 * MIB, "free": 4 * MIB},
        "certificate": {"not_before": NOW - 26 * DAY, "not_after": NOW + 4 * DAY},
    }
    assert said(document) == {
        "loop-slow": "a turn of the event loop took 0.31 s within the last minute; 0.25 s is long",
        "descriptors-few": "process control has 81 of 100 descriptors open",
        "disk-filling": "4 MiB of 100 MiB are free for the state folder",
        "certificate-ends": "this node's certificate ends in 4 days and was not renewed",
    }


def test_a_large_disk_may_be_nearly_full() -> None:
    assert not said({"disk": {"total": 1 << 40, "free": 16 * MIB}})
    assert said({"disk": {"total": 1 << 40, "free": 16 * MIB - 1}})


def test_a_certificate_that_has_ended() -> None:
    document = {"certificate": {"not_before": NOW - 26 * DAY, "not_after": NOW - 3 * 3600}}
    assert said(document)["certificate-ends"] == "this node's certificate ended 3 hours ago and was not renewed"


def node(uptime: float, **drops: int) -> dict[str, Any]:
    return {"uptime": uptime, "drops": drops}


def test_drops_that_rise_between_two_looks() -> None:
    found = list(between(node(1000, no_session=200, full=5000), node(1005, no_session=400, full=5025)))
    assert [(one.label, one.reason) for one in found] == [("no_session", "drops no_session: 40/s, 0.2/s since the node's start")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (node(1000, full=1000), node(1005, full=1010)),  # twice the usual
        (node(1000, full=0), node(1005, full=5)),  # one a second
        (node(1000, full=10), node(2, full=1000)),  # started again
        (node(1000, full=10), node(1000, full=1000)),
        ({}, node(5, full=1000)),
    ],
)
def test_what_is_no_rise(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert not list(between(before, after))


def test_a_start_may_take_long_turns() -> None:
    assert not said({"uptime": 100.0, "loop": {"longest": 3.0}})


def test_every_rule_says_what_to_do() -> None:
    assert all(len(todo) > 20 for todo in rules.REMEDIES.values())


def test_figures_for_people() -> None:
    assert [figure(value) for value in (0, 0.234, 40, 99.4, 12345)] == ["0", "0.23", "40", "99", "12,345"]
    assert [size(value) for value in (0, 1000, 1536, 2**31, 3 * 2**40)] == ["0 B", "1000 B", "1.5 KiB", "2 GiB", "3 TiB"]
    assert [duration(value) for value in (59, 150, 7300, 3 * DAY)] == ["59 seconds", "2 minutes", "2 hours", "3 days"]
