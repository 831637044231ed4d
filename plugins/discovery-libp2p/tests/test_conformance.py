"""The conformance suite every discovery kind passes; it calls nobody."""

from __future__ import annotations

from typing import Any

from appliance.api.discovery import DiscoveryKind
from appliance.testing.conformance.discovery import DiscoveryConformance
from appliance_discovery_libp2p.plugin import appliance_discovery, conformance


class TestLibp2p(DiscoveryConformance):
    expects_candidates = False

    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = conformance["libp2p"]["settings"]
        return found

    def kind(self) -> DiscoveryKind:
        return appliance_discovery()[0]
