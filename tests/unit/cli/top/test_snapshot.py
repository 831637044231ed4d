"""Two looks, and what they say together."""

from __future__ import annotations

from typing import Any

from appliance.cli.top.snapshot import Look, snapshot
from tests.unit.cli.top.node import peer, session


def look(at: float, *, sessions: Any = (), peers: Any = (), jobs: Any = None, **metrics: Any) -> Look:
    health = {"ok": True, "ready": True, "problems": metrics.pop("problems", {})}
    document = {"name": "gateway", "version": "1", "uptime": 100.0 + at, "sessions": list(sessions)} | metrics
    return Look(at, "2026-11-28T09:00:00.000Z", health, document, list(peers), jobs)


def test_a_first_look_knows_no_rates() -> None:
    found = snapshot(None, look(0, sessions=[session("office", rx_bytes=5000)], peers=[peer("office")], drops={"no_session": 2}))
    (office,) = found["peers"]
    assert (found["seconds"], office["received"], found["traffic"]["received"]) == (None, None, None)
    assert found["drops"] == [{"reason": "no_session", "count": 2, "rate": None}]
    assert office["sessions"][0]["received_bytes"] == 5000


def test_rates_are_of_the_time_between_the_looks() -> None:
    before = look(0, sessions=[session("office", rx_bytes=1000, tx_bytes=10)], peers=[peer("office")], drops={"replayed": 1})
    after = look(2, sessions=[session("office", rx_bytes=5000, tx_bytes=10)], peers=[peer("office")], drops={"replayed": 7})
    found = snapshot(before, after)
    assert (found["peers"][0]["received"], found["peers"][0]["sent"]) == (2000, 0)
    assert found["traffic"] == {"received": 2000, "sent": 0, "sessions": 1}
    assert found["drops"] == [{"reason": "replayed", "count": 7, "rate": 3}]


def test_a_session_that_began_since_and_another_counter_that_began_anew_count_from_zero() -> None:
    before = look(0, sessions=[session("office", rx_bytes=1_000_000)], drops={"replayed": 100})
    after = look(
        1, sessions=[session("office", session_id="another", rx_bytes=300)], peers=[peer("office")], drops={"replayed": 4}
    )
    found = snapshot(before, after)
    assert found["peers"][0]["received"] == 300
    assert found["drops"][0]["rate"] == 4


def test_a_node_that_was_started_again_has_no_rates_yet() -> None:
    before, after = look(50, sessions=[session("office")]), look(51, sessions=[session("office")], uptime=1.0)
    assert snapshot(before, after)["seconds"] is None


def test_two_sessions_with_a_peer_are_added_and_one_with_nobody_known_is_there() -> None:
    both = [session("office", session_id="a"), session("office", session_id="b"), session("stranger")]
    more = [each | {"tx_bytes": 500} for each in both]
    found = snapshot(look(0, sessions=both), look(1, sessions=more, peers=[peer("office")]))
    assert [(each["name"], each["sent"], len(each["sessions"])) for each in found["peers"]] == [
        ("office", 1000, 2),
        ("stranger", 500, 1),
    ]


def test_who_is_away_is_there_with_the_reason() -> None:
    peers = [
        peer("phone", connected=False, last_error="timed out"),
        peer("desk", connected=False, standing="dead"),
        {"name": "twin", "identity": "x", "origin": "member", "connected": False, "not_taken": "its name is taken"},
    ]
    found = snapshot(None, look(0, peers=peers))["peers"]
    assert [(each["state"], each["why"]) for each in found] == [
        ("away", "timed out"),
        ("dead", ""),
        ("not taken", "its name is taken"),
    ]


def test_cpu_is_that_of_one_core_and_of_the_same_process_only() -> None:
    def processes(first: int, cpu: float) -> list[dict[str, Any]]:
        return [
            {"name": "control", "pid": first, "cpu": cpu, "memory": 1},
            {"name": "worker 0", "pid": 2, "cpu": 1.0, "memory": 1},
        ]

    found = snapshot(look(0, processes=processes(1, 10.0)), look(2, processes=processes(9, 0.1)))["processes"]
    assert [each["cpu"] for each in found] == [None, 0.0]
    same = snapshot(look(0, processes=processes(1, 10.0)), look(2, processes=processes(1, 11.0)))["processes"]
    assert same[0]["cpu"] == 0.5


def test_problems_make_it_degraded_and_jobs_are_there_where_they_are() -> None:
    job = {"id": "1", "template": "health-check", "state": "running", "by": "root", "created": "…", "ended": None, "error": None}
    found = snapshot(None, look(0, problems={"worker": "it died"}, jobs=[job | {"progress": {"done": 1, "of": 3}}]))
    assert (found["state"], found["problems"]) == ("degraded", {"worker": "it died"})
    assert [(each["done"], each["of"], each["error"]) for each in found["jobs"]] == [(1, 3, "")]
    assert snapshot(None, look(0))["jobs"] is None
