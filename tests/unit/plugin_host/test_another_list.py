"""Another list of plugins in a process that runs: who is loaded stays, who comes is loaded, and it can be taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from appliance.api import ENTRY_POINT_GROUP
from appliance.plugin_host import PluginHost
from appliance.plugin_host.consequences import consequences
from appliance.plugin_host.installed import Installed

CODE = """
from appliance.api.hookspecs import hookimpl
from appliance.api.routing import RoutingKind


@hookimpl
def appliance_routing():
    return (RoutingKind("{kind}", None, object),)
"""
Put = Callable[..., dict[str, Installed]]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Write plugins of which each brings a routing kind. Returns what is installed."""
    monkeypatch.syspath_prepend(tmp_path)
    shelf: dict[str, Installed] = {}

    def write(name: str, kind: str, version: str = "1", code: str = CODE) -> dict[str, Installed]:
        (tmp_path / f"plugin_{name}.py").write_text(code.format(kind=kind))
        shelf[name] = Installed(name, EntryPoint(name, f"plugin_{name}", ENTRY_POINT_GROUP), f"dist-{name}", version)
        return dict(shelf)

    yield write
    for name in shelf:
        sys.modules.pop(f"plugin_{name}", None)


def test_what_is_there_stays_and_what_comes_is_loaded(put: Put) -> None:
    put("one", "tern")
    shelf = put("two", "gull")
    running = PluginHost.load(["one"], shelf)
    kind, kinds = running.routing["tern"], running.routing
    other = running.with_names(["two", "one"], shelf)
    assert [fact.name for fact in other.facts] == ["two", "one"]
    assert other.routing["tern"] is kind
    assert set(running.routing) == {"tern"}, "it can be thrown away"
    running.become(other)
    assert set(kinds) == {"tern", "gull"}, "who holds the mapping sees it"
    assert running.owner("routing", "gull") == "two"


def test_the_same_list_is_the_same_host(put: Put) -> None:
    running = PluginHost.load(["one"], put("one", "tern"))
    assert running.with_names(["one"]) is running


def test_it_can_be_taken_back(put: Put) -> None:
    put("one", "tern")
    shelf = put("two", "gull")
    running = PluginHost.load(["one"], shelf)
    before = running.copy()
    running.become(running.with_names(["two"], shelf))
    assert set(running.routing) == {"gull"}
    running.become(before)
    assert set(running.routing) == {"tern"}
    assert running.names == ("one",)


def test_who_runs_keeps_its_name(put: Put) -> None:
    put("one", "tern")
    shelf = put("two", "tern")
    running = PluginHost.load(["one"], shelf)
    other = running.with_names(["two", "one"], shelf)
    assert other.owner("routing", "tern") == "one"
    assert "already registered by plugin one" in other.broken[0].problem
    assert running.moved(running.with_names(["two"], shelf)) == ("routing tern",)


def test_one_that_could_not_be_imported_is_tried_again(put: Put) -> None:
    running = PluginHost.load(["one"], put("one", "tern", code="import no_such_module"))
    assert running.broken
    mended = running.with_names(["one"], put("one", "tern", "1.1"))
    assert [fact.state for fact in mended.facts] == ["active"]


def test_one_that_was_upgraded_since_it_left_needs_a_restart(put: Put) -> None:
    running = PluginHost.load(["one"], put("one", "tern"))
    running.become(running.with_names([], {}))
    again = running.with_names(["one"], put("one", "tern"))
    assert again.facts[0].state == "active", "the same version may come back"
    [fact] = running.with_names(["one"], put("one", "tern", "2")).facts
    assert (fact.state, fact.problem) == ("failed", "its version 1 is in this process already")
    assert "restart" in fact.hint


def test_the_admin_is_told_what_becomes_of_the_running_node(put: Put) -> None:
    running = [
        {"name": "one", "state": "active", "provides": ["routing tern"]},
        {"name": "three", "state": "failed", "provides": []},
    ]
    put("two", "gull")
    wanted = PluginHost.load(["two", "gone"], put("broken", "owl"))
    assert consequences(running, wanted.facts) == [
        "plugin two is loaded: routing gull",
        "plugin gone cannot be loaded, and the node refuses the profile: no installed distribution offers it",
        "plugin one is left out: routing tern end; its code stays in memory until the node is restarted",
        "plugin three is left out; it did not work",
    ]
