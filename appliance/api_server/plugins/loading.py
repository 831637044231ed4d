"""The plugins of the API server, imported while it may still read what is root's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from appliance.api_server.plugins.kinds import Brought, Kinds
from appliance.foundation import plugin_folders
from appliance.foundation.logging import get_logger
from appliance.foundation.patience import limited
from appliance.plugin_host.calling import describe
from appliance.plugin_host.plugins import PluginHost
from appliance.plugin_host.registry import API_PARTS

log = get_logger("api")

IMPORT_SECONDS: Final = 15.0
"""For all that one kind names."""


def load(names: Sequence[str]) -> Kinds:
    """What these plugins bring. One that does not load brings nothing: the node tells of it."""
    plugin_folders.use()
    host = PluginHost.load(names)
    kinds = {
        key: {name: Brought(host.owner(API_PARTS[key], name) or "", kind) for name, kind in found.items()}
        for key, found in host.api_parts.items()
    }
    for found in kinds.values():
        for name, (plugin, kind) in found.items():
            try:
                limited(lambda kind=kind: [import_module(module) for module in kind.imports], IMPORT_SECONDS)  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's; opening it will say so to the admin
                log.error("a plugin's library cannot be used", plugin=plugin, part=name, reason=describe(error))  # noqa: TRY400
    return kinds
