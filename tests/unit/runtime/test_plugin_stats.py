"""Figures that plugins tell of what they have open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.api.routing import RoutingKind
from appliance.api.services import judged
from appliance.plugin_host import PluginHost
from appliance.runtime.plugins.account import PluginAccount
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices, opening
from appliance.runtime.plugins.stats import of_plugins

OWNER = "monitoring-prometheus"


@pytest.fixture
def calls() -> PluginCalls:
    return PluginCalls(PluginAccount(PluginHost.load(["transport-ip", OWNER])))


class Counting:
    """A thing that was opened."""

    def __init__(self, settings: None, services: PluginServices) -> None:
        self.asked = 0

    def stats(self) -> dict[str, int]:
        self.asked += 1
        return {"asked": self.asked}


def opened(calls: PluginCalls, noun: Any, name: str) -> PluginServices:
    services = PluginServices(calls, noun, name)
    opening(RoutingKind(name, None, Counting), {}, services)()  # type: ignore[arg-type]
    return services


async def test_each_open_thing_tells_its_own_until_it_is_closed(calls: PluginCalls) -> None:
    health, first, second = (opened(calls, *part) for part in (("monitor", "health"), ("transport", "udp"), ("transport", "udp")))
    assert of_plugins(calls) == {
        OWNER: [{"part": "monitor health", "figures": {"asked": 1}}],
        "transport-ip": [{"part": "transport udp", "figures": {"asked": 1}}] * 2,
    }
    await first.close()
    await health.close()
    assert of_plugins(calls) == {"transport-ip": [{"part": "transport udp", "figures": {"asked": 2}}]}
    await second.close()
    assert of_plugins(calls) == {}


async def test_a_source_stands_for_what_has_no_such_member(calls: PluginCalls) -> None:
    services = PluginServices(calls, "monitor", "health")
    services.stats_from(lambda: {"pages": 3, "slowest": 0.5, "up": True, "where": "x" * 500})
    (told,) = of_plugins(calls)[OWNER]
    assert told["figures"] == {"pages": 3, "slowest": 0.5, "up": True, "where": "x" * 200}
    await services.close()


def raises() -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    "source",
    [
        raises,
        lambda: [1],
        lambda: {"x": object()},
        lambda: {"x": float("nan")},
        lambda: {3: 3},
        lambda: {"": 3},
        lambda: {"x" * 65: 3},
        lambda: {str(number): number for number in range(65)},
    ],
)
async def test_one_that_fails_is_its_plugins_fault_and_the_others_tell(calls: PluginCalls, source: Callable[[], Any]) -> None:
    broken, well = PluginServices(calls, "monitor", "health"), opened(calls, "transport", "udp")
    broken.stats_from(source)
    assert list(of_plugins(calls)) == ["transport-ip"]
    await broken.close()
    await well.close()


def test_sources_of_one_plugin_are_bounded(calls: PluginCalls) -> None:
    services = PluginServices(calls, "monitor", "health")
    for number in range(100):
        services.stats_from(lambda number=number: {"number": number})  # type: ignore[misc]
    assert len(of_plugins(calls)[OWNER]) == 64


def test_what_a_status_can_show() -> None:
    assert judged({"a": 1}) == {"a": 1}
    with pytest.raises(ValueError, match="more than 64"):
        judged({str(number): 1 for number in range(100_000)})
