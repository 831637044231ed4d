"""The conformance suite every transport passes."""

from __future__ import annotations

from appliance.api.transport import TransportKind
from appliance.testing.conformance.transport import TransportConformance
from appliance_transport_ip.plugin import TCP, UDP


class TestUdp(TransportConformance):
    def kind(self) -> TransportKind:
        return UDP


class TestTcp(TransportConformance):
    def kind(self) -> TransportKind:
        return TCP
