from __future__ import annotations

from tests.perf.bench.comparison import compare, missing
from tests.perf.bench.results import Results


def run(**values: float) -> Results:
    """One round; names of contenders with their throughput."""
    found = Results()
    for name, value in values.items():
        found.add("throughput", name.replace("wireguard", "wireguard-go"), 1, value)
    return found


BASELINE = run(veth=20.0, wireguard=2.0, udp=6.0)


def worse(now: Results, before: Results = BASELINE) -> list[str]:
    return [change.contender for change in compare(before, now) if change.worse]


def test_noise_is_tolerated() -> None:
    assert not worse(run(veth=20.0, wireguard=2.0, udp=4.5))


def test_a_machine_half_as_fast_is_no_regression() -> None:
    assert not worse(run(veth=10.0, wireguard=1.0, udp=3.0))


def test_a_drop_is_told() -> None:
    now = run(veth=20.0, wireguard=2.0, udp=3.0)
    assert worse(now) == ["udp"]
    (change,) = compare(BASELINE, now)
    assert change.factor == 0.5
    assert "one TCP flow, udp" in change.told()


def test_one_lucky_reference_is_no_regression() -> None:
    assert not worse(run(veth=20.0, wireguard=4.0, udp=6.0))


def test_without_a_rival_the_wire_decides() -> None:
    assert worse(run(veth=20.0, udp=3.0)) == ["udp"]


def test_of_some_figures_less_is_better() -> None:
    before, now = Results(), Results()
    for found, value in ((before, 1.0), (now, 2.0)):
        found.add("cpu", "wireguard-go", 1, 4.0)
        found.add("cpu", "udp", 1, value)
    assert worse(now, before) == ["udp"]
    assert not worse(before, now)


def test_what_failed_is_missing_and_what_was_left_out_is_not() -> None:
    assert missing(BASELINE, run(veth=20.0, wireguard=2.0)) == ["one TCP flow, udp: could not be measured"]
    assert not missing(BASELINE, Results())
