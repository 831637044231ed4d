"""A profile with its plugins: what is wrong with either is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

from appliance.api import ENTRY_POINT_GROUP
from appliance.api.hookspecs import hookimpl
from appliance.api.monitoring import MonitorKind
from appliance.errors import PluginFault
from appliance.plugin_host import PluginHost
from appliance.plugin_host.installed import Installed
from appliance.profile import ProfileInvalid
from appliance.runtime import loading


def test_a_kind_that_no_plugin_offers_is_a_problem_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(
        "profile: 1\nnetwork: {addresses: [10.8.0.1/24]}\nplugins: [crypto-standard]\nserver: {listen: ['udp://0.0.0.0:8443']}\n"
    )
    plugins = loading.load_plugins([path], environ={})
    with pytest.raises(ProfileInvalid) as caught:
        loading.load_profile([path], plugins, environ={})
    assert {problem.path for problem in caught.value.problems} >= {"server.listen.0"}
    assert all(problem.file for problem in caught.value.problems)


class Mine(Installed):
    """A plugin in this module, with one monitor."""

    settings: Callable[[], Any]

    def load(self) -> object:
        kind = MonitorKind("nasty", self.settings, SimpleNamespace)  # type: ignore[arg-type]
        return SimpleNamespace(appliance_monitors=hookimpl(lambda: [kind]))


class Exiting(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def judge(cls, value: object) -> object:
        sys.exit(3)


def raises() -> type:
    raise KeyError("no model today")


@pytest.mark.parametrize(
    ("settings", "says"), [(lambda: Exiting, "raised SystemExit: 3"), (raises, "raised KeyError: 'no model today'")]
)
def test_settings_that_a_plugin_cannot_judge_are_its_fault(settings: Callable[[], Any], says: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text('profile: 1\nnetwork: {addresses: ["10.8.0.1/24"]}\nmonitoring: {nasty: {}}\n')
    nasty = Mine("nasty", EntryPoint("nasty", __name__, ENTRY_POINT_GROUP), "dist-nasty", "1.0")
    nasty.settings = settings
    plugins = PluginHost.load(["nasty"], {"nasty": nasty})
    with pytest.raises(PluginFault, match="plugin nasty: its settings ") as caught:
        loading.load_profile([path], plugins, {})
    assert says in caught.value.message
