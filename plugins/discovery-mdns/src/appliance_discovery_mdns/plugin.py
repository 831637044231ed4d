"""Registers the discovery kind `mdns`: peers on the local network, by multicast DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.discovery import DiscoveryKind, DiscoveryServices
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_discovery_mdns.discoverer import Mdns
    from appliance_discovery_mdns.settings import MdnsSettings

conformance: dict[str, dict[str, Any]] = {"mdns": {"settings": {"interfaces": ["lo"]}, "expects_candidates": False}}
"""A check of this plugin says nothing to the networks of the machine that it runs on."""


def _settings() -> type[MdnsSettings]:
    from appliance_discovery_mdns.settings import MdnsSettings

    return MdnsSettings


def _open(settings: MdnsSettings, services: DiscoveryServices) -> Mdns:
    from appliance_discovery_mdns.discoverer import Mdns

    return Mdns(services, settings)


@hookimpl
def appliance_discovery() -> tuple[DiscoveryKind, ...]:
    """One kind."""
    return (DiscoveryKind("mdns", _settings, _open),)
