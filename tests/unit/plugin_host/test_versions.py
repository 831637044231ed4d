"""A plugin says for which versions of the API it is made; others are refused before they are imported."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from appliance.api import ENTRY_POINT_GROUP
from appliance.plugin_host import PluginHost, plugins, versions
from appliance.plugin_host.installed import Installed


@pytest.mark.parametrize(
    ("value", "here", "said"),
    [
        ("pkg.plugin", (1, 9), None),
        ("pkg.plugin [api-1.2]", (1, 2), None),
        ("pkg.plugin:thing [api-1.2]", (1, 9), None),
        ("pkg.plugin [api-1.2, below-1.9]", (1, 8), None),
        ("pkg.plugin [api-1.10]", (1, 9), "it needs version 1.10 of the plugin API, and this appliance has 1.9"),
        ("pkg.plugin[below-1.9]", (1, 9), "it is made for versions of the plugin API before 1.9, and this appliance has 1.9"),
        ("pkg.plugin [api-1]", (1, 9), "its entry point says [api-1], which is no version of the plugin API"),
        ("pkg.plugin [test]", (1, 9), "its entry point says [test], which is no version of the plugin API"),
    ],
)
def test_which_plugins_fit(value: str, here: tuple[int, int], said: str | None) -> None:
    refused = versions.refusal(value, "dist-x", here)
    assert (refused and refused.reason) == said
    assert refused is None or refused.hint


def test_one_that_does_not_fit_is_not_imported_and_says_what_to_do() -> None:
    class Shelved(Installed):
        def load(self) -> object:
            raise AssertionError("it may need names that are not there")

    newer = Shelved("newer", EntryPoint("newer", "x [api-1.99]", ENTRY_POINT_GROUP), "dist-newer", "1.0")
    (fact,) = PluginHost.load(["newer"], {"newer": newer}).facts
    assert (fact.state, fact.stage) == ("failed", "find")
    assert (
        fact.problem == f"it needs version 1.99 of the plugin API, and this appliance has {versions.HERE[0]}.{versions.HERE[1]}"
    )
    assert fact.hint == "upgrade the appliance, or install an older dist-newer"


def test_one_within_its_range_is_imported() -> None:
    class Shelved(Installed):
        def load(self) -> object:
            return object()

    fits = Shelved("fits", EntryPoint("fits", "x [api-1.0, below-2.0]", ENTRY_POINT_GROUP), "dist-fits", "1.0")
    (fact,) = PluginHost.load(["fits"], {"fits": fits}).facts
    assert fact.state == "active"


@pytest.mark.parametrize(
    ("groups", "hint"),
    [
        ({"appliance.v2", "pytest11"}, "upgrade the appliance"),
        ({"appliance.v0"}, "upgrade the plugin"),
        ({"console_scripts"}, None),
    ],
)
def test_one_of_another_version_altogether(groups: set[str], hint: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "groups_with", lambda _name: frozenset(groups))
    (fact,) = PluginHost.load(["other"], {}).facts
    assert fact.stage == "find"
    if hint is None:
        assert "no installed distribution offers it" in fact.problem
    else:
        assert "made for version" in fact.problem
        assert fact.hint.startswith(hint)


def test_the_entry_point_of_python_reads_it_too() -> None:
    entry: Any = EntryPoint("static", "appliance_routing_static.plugin [api-1.0]", ENTRY_POINT_GROUP)
    assert entry.load().__name__ == "appliance_routing_static.plugin"


@pytest.mark.parametrize(
    ("extras", "text"),
    [("", "any"), (" [api-1.2]", "1.2 on"), (" [below-1.9]", "below 1.9"), (" [api-1.2, below-1.9]", "1.2 to below 1.9")],
)
def test_a_range_is_said_to_people(extras: str, text: str) -> None:
    assert versions.said(f"package.plugin{extras}") == text
