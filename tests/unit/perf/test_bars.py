from __future__ import annotations

from tests.perf.bench.bars import BARS, Bar, verdicts
from tests.perf.bench.contenders import ALL
from tests.perf.bench.figures import FIGURES
from tests.perf.bench.results import Results, from_document
from tests.perf.bench.tables import bars_table


def results(udp: float, rival: float, p50: float) -> Results:
    found = Results({"date": "then"})
    for contender, value in (("udp", udp), ("wireguard-go", rival)):
        found.add("throughput", contender, 1, value)
    found.add("idle-p50", "udp", 1, p50)
    return found


def verdict(found: Results, figure: str, reference: str) -> bool | None:
    (bar,) = (bar for bar in BARS if (bar.figure, bar.contender, bar.reference) == (figure, "udp", reference))
    return bar.met(found)


def test_a_ratio_that_should_be_large() -> None:
    assert verdict(results(6.1, 2.0, 1.0), "throughput", "wireguard-go") is True
    assert verdict(results(5.9, 2.0, 1.0), "throughput", "wireguard-go") is False


def test_a_value_that_should_be_small() -> None:
    assert verdict(results(6.0, 2.0, 1.9), "idle-p50", "") is True
    assert verdict(results(6.0, 2.0, 2.1), "idle-p50", "") is False


def test_what_was_not_measured_is_neither_met_nor_shown() -> None:
    found = results(6.0, 2.0, 1.0)
    assert verdict(found, "memory", "wireguard-go") is None
    assert len(verdicts(found)) == 2
    assert bars_table(found).count("\n") == 3


def test_the_bars_are_told_to_people_and_programs() -> None:
    found = results(5.0, 2.0, 1.0)
    assert "| one TCP flow, udp | at least 3 × wireguard-go | 2.50 × wireguard-go | **no** |" in bars_table(found)
    assert "| round trip p50, idle, udp | at most 2 ms | 1.00 ms | yes |" in bars_table(found)
    document = found.document()
    assert {
        "figure": "throughput",
        "contender": "udp",
        "reference": "wireguard-go",
        "value": 3,
        "measured": 2.5,
        "met": False,
    } in (document["bars"])
    assert from_document(document) == found


def test_every_bar_is_of_a_figure_and_of_somebody_who_is_measured() -> None:
    assert all(bar.figure in FIGURES and bar.contender in ALL for bar in BARS)
    assert all(not bar.reference or bar.reference in ALL[bar.contender].references for bar in BARS)


def test_monitoring_may_cost_a_tenth() -> None:
    for scheme in ("udp", "tcp"):
        assert Bar("monitoring-throughput", f"{scheme} monitored", scheme, 0.9) in BARS
        assert Bar("monitoring-packets-64", f"{scheme} monitored", scheme, 0.9) in BARS
        assert Bar("monitoring-cpu", f"{scheme} monitored", scheme, 1.1) in BARS
