"""What everything that is opened for a plugin may ask of the core."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.api import STANDARD_PLUGINS
from appliance.api.profile import Profile
from appliance.plugin_host import PluginHost
from appliance.runtime.plugins.account import PluginAccount
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices

OWNER = "monitoring-prometheus"


@pytest.fixture
def plugins() -> PluginHost:
    return PluginHost.load(STANDARD_PLUGINS)


def services(plugins: PluginHost, profile: Any = None) -> PluginServices:
    return PluginServices(PluginCalls(PluginAccount(plugins), lambda: profile), "monitor", "health")


def problem(plugins: PluginHost) -> str:
    return next(fact.problem for fact in plugins.facts if fact.name == OWNER)


async def test_a_report_is_on_the_plugins_account_until_it_is_over(plugins: PluginHost) -> None:
    given = services(plugins)
    given.report("nobody listens")
    assert problem(plugins) == "monitor health: nobody listens"
    given.report("")
    assert problem(plugins) == ""
    given.report("x" * 5000)
    assert len(problem(plugins)) < 600
    await given.close()
    assert problem(plugins) == "", "what is closed has no trouble"


async def test_a_task_that_fails_is_the_plugins_and_all_end_with_what_was_opened(plugins: PluginHost) -> None:
    given, ended = services(plugins), asyncio.Event()

    async def fails() -> None:
        raise LookupError("lost")

    async def runs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    given.spawn(runs(), "runs")
    given.spawn(fails(), "fails")
    while not problem(plugins):  # noqa: ASYNC110  the account calls nobody
        await asyncio.sleep(0)
    assert problem(plugins).startswith("monitor health: task raised LookupError: lost (")
    await given.close()
    assert ended.is_set()


async def test_time_and_chance(plugins: PluginHost) -> None:
    given = services(plugins)
    await given.sleep(0)
    assert 0 <= given.jitter() < 1


async def test_a_plugins_own_section_is_the_one_of_the_profile_in_force(
    plugins: PluginHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile.model_validate({"profile": 1, "network": {"addresses": ["10.0.0.1/24"]}})
    asked: list[tuple[str, Profile]] = []
    monkeypatch.setattr(plugins, "section_of", lambda plugin, now: asked.append((plugin, now)) or "mine")
    assert services(plugins, profile).section == "mine"
    assert asked == [(OWNER, profile)]


async def test_without_a_plugin_or_profile_there_is_no_section() -> None:
    assert PluginServices(PluginCalls(), "monitor", "health").section is None
