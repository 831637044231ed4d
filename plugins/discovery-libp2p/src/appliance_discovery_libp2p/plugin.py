"""Registers the discovery kind `libp2p`: peers are found through a libp2p network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.discovery import DiscoveryKind, DiscoveryServices
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_discovery_libp2p.discoverer import Libp2p
    from appliance_discovery_libp2p.settings import Libp2pSettings

conformance: dict[str, dict[str, Any]] = {
    "libp2p": {"settings": {"listen": ["/ip4/127.0.0.1/tcp/0"]}, "expects_candidates": False}
}
"""A check of this plugin calls nobody."""


def _settings() -> type[Libp2pSettings]:
    from appliance_discovery_libp2p.settings import Libp2pSettings

    return Libp2pSettings


def _open(settings: Libp2pSettings, services: DiscoveryServices) -> Libp2p:
    from appliance_discovery_libp2p.clock import wall
    from appliance_discovery_libp2p.discoverer import Libp2p

    return Libp2p(services, settings, wall)


@hookimpl
def appliance_discovery() -> tuple[DiscoveryKind, ...]:
    """One kind."""
    return (DiscoveryKind("libp2p", _settings, _open),)
