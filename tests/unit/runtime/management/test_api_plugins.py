"""Which plugins the API server loads, and on whose account their trouble is."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

from appliance.api import ENTRY_POINT_GROUP
from appliance.api.event_exports import ExportKind
from appliance.api.hookspecs import hookimpl
from appliance.api.profile_management import Listen, Management
from appliance.api.server_settings import ServerSettings
from appliance.api.servers import ServerKind
from appliance.api.stores import StoreKind
from appliance.plugin_host.installed import Installed
from appliance.plugin_host.plugins import PluginHost
from appliance.runtime.management.api_plugins import ApiPlugins
from appliance.runtime.plugins.account import PluginAccount
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.stats import of_plugins


def opened(_settings: Any, _services: Any) -> Any: ...


def unsettled() -> type[Any]:
    raise RuntimeError("no settings today")


class Shelved(Installed):
    def load(self) -> object:
        kinds = {
            "appliance_stores": [StoreKind("shelf", None, opened)],
            "appliance_event_exports": [ExportKind("pipe", None, opened)],
            "appliance_servers": [ServerKind("echo", lambda: ServerSettings, opened), ServerKind("odd", unsettled, opened)],
        }
        return SimpleNamespace(**{hook: hookimpl(lambda found=found: found) for hook, found in kinds.items()})


def test_those_are_loaded_that_bring_what_the_section_names_and_their_trouble_is_theirs() -> None:
    host = PluginHost.load(["p"], {"p": Shelved("p", EntryPoint("p", "x", ENTRY_POINT_GROUP), "dist", "1")})
    plugins = ApiPlugins(host, PluginCalls(PluginAccount(host)))
    assert plugins.of(Management()) == []
    section = Management.model_validate({"store": {"shelf": {}}, "exports": {"pipe": {}, "gone": {}}})
    assert plugins.of(section) == ["p"]
    plugins.tell("exports", "pipe", "nobody listens")
    assert [(fact.state, fact.problem) for fact in host.facts] == [("degraded", "export pipe: nobody listens")]
    plugins.tell("exports", "pipe", "")
    assert host.facts[0].state == "active"
    plugins.tell("exports", "pipe", "nobody listens")
    plugins.forget()
    assert host.facts[0].state == "active", "an API server that has ended has no trouble"


def test_figures_of_parts_stand_in_the_status_until_the_api_server_ends() -> None:
    host = PluginHost.load(["p"], {"p": Shelved("p", EntryPoint("p", "x", ENTRY_POINT_GROUP), "dist", "1")})
    calls = PluginCalls(PluginAccount(host))
    plugins = ApiPlugins(host, calls)
    section = Management.model_validate({"store": {"shelf": {}}, "exports": {"pipe": {}}})
    for told in ({"store.shelf": {"reads": 1}}, {"store.shelf": {"reads": 2}, "exports.pipe": ["x"], "exports.gone": {"x": 1}}):
        plugins.figures(section, told)
    assert of_plugins(calls) == {"p": [{"part": "store shelf", "figures": {"reads": 2}}]}
    plugins.forget()
    assert of_plugins(calls) == {}


def test_where_servers_listen_their_settings_say_and_one_that_does_not_tell_is_named() -> None:
    host = PluginHost.load(["p"], {"p": Shelved("p", EntryPoint("p", "x", ENTRY_POINT_GROUP), "dist", "1")})
    plugins = ApiPlugins(host, PluginCalls())
    section = Management.model_validate({"servers": {"echo": {"listen": ["127.0.0.1:7"]}, "odd": {}}})
    found, wrong = plugins.servers(section)
    assert found == {"echo": (Listen.parse("127.0.0.1:7"),)}
    assert list(wrong) == ["odd"]
    assert "no settings today" in wrong["odd"]
