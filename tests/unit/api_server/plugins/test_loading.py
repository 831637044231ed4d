"""Plugins are imported with their libraries before the API server gives up its privileges."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api import ENTRY_POINT_GROUP
from appliance.api.caches import CacheKind
from appliance.api.hookspecs import hookimpl
from appliance.api_server.plugins.loading import load
from appliance.plugin_host import plugins
from appliance.plugin_host.installed import Installed


def test_what_they_bring_is_known_and_a_library_that_lacks_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_settings: Any, _services: Any) -> Any: ...

    kinds = (CacheKind("one", None, opened, ("no_such_library",)), CacheKind("two", None, opened, ("this",)))
    namespace = SimpleNamespace(appliance_caches=hookimpl(lambda: kinds))

    class Shelved(Installed):
        def load(self) -> object:
            return namespace

    shelved = Shelved("p", EntryPoint("p", "x", ENTRY_POINT_GROUP), "dist", "1")
    monkeypatch.setattr(plugins, "installed", lambda: {"p": shelved})
    monkeypatch.delitem(sys.modules, "this", raising=False)
    found = load(["p", "gone"])
    assert found["cache"]["one"] == ("p", kinds[0])
    assert found["cache"]["two"] == ("p", kinds[1])
    assert not found["store"]
    assert "this" in sys.modules
