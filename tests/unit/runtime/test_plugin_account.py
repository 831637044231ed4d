"""What runs badly is seen at its plugin, until it runs well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from appliance.api.discovery import Candidate, DiscoveryKind, DiscoveryServices
from appliance.api.monitoring import MonitoringServices, MonitorKind
from appliance.api.profile import Profile
from appliance.plugin_host import PluginHost
from appliance.runtime.peers import discovery
from appliance.runtime.peers.discovery import Discovery
from appliance.runtime.peers.table import PeerTable
from appliance.runtime.plugins.account import PluginAccount
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.monitors import Monitors

MONITORING, BOOTSTRAP = "monitoring-prometheus", "discovery-bootstrap"


@pytest.fixture
def plugins() -> PluginHost:
    return PluginHost.load([MONITORING, BOOTSTRAP])


def fact(plugins: PluginHost, name: str) -> tuple[str, str, str]:
    found = next(each for each in plugins.facts if each.name == name)
    return found.state, found.stage, found.problem


def test_a_plugin_is_well_again_when_all_of_its_kinds_are(plugins: PluginHost) -> None:
    account = PluginAccount(plugins)
    account.tell("monitor", "health", "no port")
    account.tell("monitor", "prometheus", "no port either")
    assert fact(plugins, MONITORING) == ("degraded", "run", "monitor health: no port; monitor prometheus: no port either")
    assert fact(plugins, BOOTSTRAP)[0] == "active"
    account.tell("monitor", "health", "")
    assert fact(plugins, MONITORING)[2] == "monitor prometheus: no port either"
    account.tell("monitor", "prometheus", "")
    assert fact(plugins, MONITORING)[0] == "active"


def test_a_kind_of_nobody_is_on_nobodys_account(plugins: PluginHost) -> None:
    PluginAccount(plugins).tell("monitor", "smoke-signals", "wet wood")
    assert not plugins.broken


def test_a_running_plugin_that_fails_has_still_all_its_kinds(plugins: PluginHost) -> None:
    PluginAccount(plugins).tell("monitor", "health", "no port")
    assert plugins.complete
    assert not PluginHost.load(["no-such-plugin"]).complete


class Settings(BaseModel):
    port: int = 1


@asynccontextmanager
async def page(settings: Any, services: MonitoringServices) -> AsyncIterator[None]:
    if settings.port == 99:
        raise OSError("in use")
    yield
    if settings.port == 66:
        raise RuntimeError("cannot stop")


async def test_a_monitor_that_does_not_start_or_stop(plugins: PluginHost) -> None:
    services: Any = None
    kinds = {"health": MonitorKind("health", lambda: Settings, page)}
    running = Monitors(kinds, services, PluginCalls(PluginAccount(plugins)))
    await running.use({"health": {"port": 99}})
    state, stage, problem = fact(plugins, MONITORING)
    assert (state, stage) == ("degraded", "run")
    assert problem.startswith("monitor health: raised OSError: in use (")
    await running.use({"health": {"port": 66}})
    assert fact(plugins, MONITORING)[0] == "active"
    await running.use({})
    assert fact(plugins, MONITORING)[2].startswith("monitor health: it did not stop: raised RuntimeError: cannot stop")


async def test_a_discoverer_that_fails_and_comes_back(plugins: PluginHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "FIRST_PAUSE", 0.001)
    account = PluginAccount(plugins)
    well = asyncio.Event()

    class Discoverer:
        starts = 0

        async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
            Discoverer.starts += 1
            if Discoverer.starts == 1:
                raise LookupError("no list")
            assert "discovery bootstrap: raised LookupError: no list (" in fact(plugins, BOOTSTRAP)[2]
            yield []
            well.set()
            await asyncio.Event().wait()

    def start(_settings: None, _services: DiscoveryServices) -> Discoverer:
        return Discoverer()

    running = Discovery(
        {"bootstrap": DiscoveryKind("bootstrap", None, start)}, lambda _peer, _endpoints: None, PeerTable(), PluginCalls(account)
    )
    running.start(
        Profile.model_validate({"profile": 1, "network": {"addresses": ["10.0.0.1/24"]}, "discovery": {"bootstrap": {}}})
    )
    await well.wait()
    assert fact(plugins, BOOTSTRAP)[0] == "active"
    await running.close()
