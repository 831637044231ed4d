from __future__ import annotations

from typing import Any

from tests.perf.many_sessions import bars, table


def figures(**more: Any) -> dict[str, Any]:
    after = {"control": {"rss_mb": 60.0}, "worker": {"rss_mb": 38.5}}
    return {"after": after, "bytes_per_session": 16_700, "handshakes_per_s": 240.0, **more}


def verdicts(found: dict[str, Any], count: int) -> dict[str, bool]:
    return {bar["figure"].split(",")[0]: bar["met"] for bar in bars(found, count)}


def test_memory_has_two_bars() -> None:
    assert set(verdicts(figures(), 1000).values()) == {True}
    assert not verdicts(figures(bytes_per_session=115_001), 1000)["memory above the idle node"]
    assert not verdicts(figures(), 48)["resident memory of both processes"]
    assert verdicts(figures(), 49)["resident memory of both processes"]


def test_idle_cost_is_judged_for_a_hundred() -> None:
    assert verdicts(figures(idle_cpu_percent_of_two=2.0), 100)["idle CPU"]
    assert not verdicts(figures(idle_cpu_percent_of_two=2.1), 100)["idle CPU"]
    assert "idle CPU" not in verdicts(figures(idle_cpu_percent_of_two=2.1), 1000)


def test_a_rate_should_be_high() -> None:
    assert not verdicts(figures(handshakes_per_s=199.0), 1000)["handshakes a second"]


def test_thousands_of_peers_have_bars() -> None:
    quick = {"plan_s": 1.5, "reload_changed_s": 2.0, "start_to_all_sessions_s": 4.0}
    slow = {"plan_s": 1.6, "reload_changed_s": 2.1, "start_to_all_sessions_s": 4.1}
    names = {"plan", "reload", "start to the first session"}
    assert all(verdicts(figures(peers=2000, **quick), 1)[name] for name in names)
    assert not any(verdicts(figures(peers=2000, **slow), 1)[name] for name in names)
    assert "start to the first session" not in verdicts(figures(peers=2000, **slow), 1000)
    assert verdicts(figures(peers=10_000, **slow), 1)["plan"]
    assert not verdicts(figures(peers=10_000, **slow | {"plan_s": 5.1}), 1)["plan"]


def test_the_bars_are_shown() -> None:
    found = figures()
    found["bars"] = bars(found, 1000)
    assert "| memory above the idle node, bytes a session | at most 115000 | 16700 | yes |" in table(found)


def test_a_loop_of_a_thousand_peers_has_no_late_turn() -> None:
    name = "turns of the loop longer than 50 ms"
    assert verdicts(figures(peers=1000, late_turns=0), 1000)[name]
    assert not verdicts(figures(peers=1000, late_turns=1), 1000)[name]
    assert name not in verdicts(figures(peers=10_000, late_turns=1), 1)
