"""The conformance suite every discovery kind passes."""

from __future__ import annotations

from appliance.api.discovery import DiscoveryKind
from appliance.testing.conformance.discovery import DiscoveryConformance
from appliance_discovery_bootstrap.plugin import appliance_discovery


class TestBootstrap(DiscoveryConformance):
    def kind(self) -> DiscoveryKind:
        return appliance_discovery()[0]
