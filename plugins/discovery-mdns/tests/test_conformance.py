"""The conformance suite every discovery kind passes; it says nothing to the networks of this machine."""

from __future__ import annotations

from typing import Any

from appliance.api.discovery import DiscoveryKind
from appliance.testing.conformance.discovery import DiscoveryConformance
from appliance_discovery_mdns.plugin import appliance_discovery, conformance


class TestMdns(DiscoveryConformance):
    expects_candidates = False

    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = conformance["mdns"]["settings"]
        return found

    def kind(self) -> DiscoveryKind:
        return appliance_discovery()[0]
