"""What the appliance loads: data and callables; the rest is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.discovery import DiscoveryKind, DiscoveryServices
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from roster_discovery.source import Source


def _settings() -> type[Any]:
    from roster_discovery.settings import RosterSettings

    return RosterSettings


def _source(settings: Any, services: DiscoveryServices) -> Source:
    from roster_discovery.source import Source

    return Source(settings, services)


ROSTER = DiscoveryKind("roster", _settings, _source)
conformance = {"roster": {"settings": {"file": "/nonexistent/roster.toml"}, "expects_peers": False}}


@hookimpl
def appliance_discovery() -> tuple[DiscoveryKind, ...]:
    """What a profile turns on with `discovery: {roster: {file: …}}`."""
    return (ROSTER,)
