"""Registers the discovery kind `bootstrap`: the profile's own endpoints, with DNS names looked up and the list rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.api.discovery import DiscoveryKind, DiscoveryServices
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_discovery_bootstrap.discoverer import Bootstrap
    from appliance_discovery_bootstrap.settings import BootstrapSettings


def _settings() -> type[BootstrapSettings]:
    from appliance_discovery_bootstrap.settings import BootstrapSettings

    return BootstrapSettings


def _open(settings: BootstrapSettings, services: DiscoveryServices) -> Bootstrap:
    from appliance_discovery_bootstrap.discoverer import Bootstrap

    return Bootstrap(services, settings)


@hookimpl
def appliance_discovery() -> tuple[DiscoveryKind, ...]:
    """One kind."""
    return (DiscoveryKind("bootstrap", _settings, _open),)
