"""How a plan's steps are taken together: thousands of routes are few writes to the disk and few looks at the kernel."""

from __future__ import annotations

import pytest

from appliance.api.planning import Action, Step
from appliance.apply.executor import FEW_TOGETHER, MOST_RUNS, _runs
from appliance.apply.records import Generation
from appliance.planning.revert import step


def route(number: int) -> Step:
    args = {
        "destination": f"10.{number >> 8}.{number & 255}.0/24",
        "via": None,
        "link": "llp0",
        "table": 254,
        "metric": 0,
        "protocol": 76,
    }
    return step(Action("route.add", args), Action("route.remove", args))


def setting(number: int) -> Step:
    args = {"key": f"net.test{number}", "value": "1"}
    return step(Action("sysctl.set", args), Action("sysctl.set", args))


@pytest.mark.parametrize("undo", [False, True])
@pytest.mark.parametrize("count", [1, FEW_TOGETHER, 1000, 20_000])
def test_a_look_is_for_many_routes(count: int, *, undo: bool) -> None:
    generation = Generation(1, tuple(map(route, range(count))))
    runs = list(_runs(range(count), generation, undo=undo))
    assert [index for run in runs for index in run] == list(range(count))
    assert len(runs) <= max(MOST_RUNS, -(-count // FEW_TOGETHER) if count <= MOST_RUNS * FEW_TOGETHER else 0)


def test_a_setting_is_looked_at_before_the_next() -> None:
    generation = Generation(1, tuple(map(setting, range(3))))
    assert list(_runs(range(3), generation, undo=False)) == [[0], [1], [2]]
