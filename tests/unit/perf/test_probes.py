from __future__ import annotations

import pytest

from tests.perf.bench.__main__ import options
from tests.perf.bench.contenders import ALL, PYTHON
from tests.perf.bench.probes import percentile
from tests.perf.bench.rig import definition


@pytest.mark.parametrize(("part", "value"), [(0.5, 51), (0.95, 96), (0.99, 100), (1.0, 100)])
def test_percentiles(part: float, value: int) -> None:
    assert percentile(range(1, 101), part) == value


@pytest.mark.parametrize("name", ALL)
def test_every_contender_has_a_lab(name: str) -> None:
    lab = definition(ALL[name])
    assert lab.hosts["left"].mtu == ALL[name].mtu
    assert bool(lab.hosts["right"].listen) == (ALL[name].kind == "ours")


def test_every_contender_is_compared_with_those_that_there_are() -> None:
    assert {reference for contender in ALL.values() for reference in contender.references} <= {*ALL, PYTHON}


def test_options() -> None:
    wanted = options(["--quick", "--compare"])
    assert wanted.quick
    assert wanted.compare
    assert wanted.file is None
