"""What plugins tell of themselves in figures (`stats` of what they opened), asked when somebody looks."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from appliance.api.services import judged
from appliance.errors import PluginFault
from appliance.runtime.plugins.calls import PluginCalls

MEMBER: Final = "stats"
MOST_SOURCES: Final = 64
"""Sources of one plugin that are asked."""


def of_plugins(calls: PluginCalls) -> dict[str, list[dict[str, Any]]]:
    """By plugin, one document for each thing it has open: `part` says what it is, `figures` are what it told. One that fails is
    on its plugin's account and tells nothing."""
    found: dict[str, list[dict[str, Any]]] = {}
    for source, part in list(calls.sources.items()):
        plugin = calls.owner(part)
        if len(found.get(plugin, ())) < MOST_SOURCES:
            with suppress(PluginFault):
                figures = calls.call(part._replace(member=MEMBER), lambda ask=source: judged(ask()))  # type: ignore[misc]
                found.setdefault(plugin, []).append({"part": f"{part.noun} {part.kind}", "figures": figures})
    return found
