"""The static table."""

from __future__ import annotations

from ipaddress import ip_network

from appliance.api.routing import Route, RoutingKind
from appliance.testing.conformance.routing import RoutingConformance
from appliance.testing.routing import FakeRoutingView
from appliance_routing_static.plugin import appliance_routing


class TestStatic(RoutingConformance):
    def kind(self) -> RoutingKind:
        return appliance_routing()[0]

    def test_each_peer_gets_its_allowed_prefixes_connected_or_not(self) -> None:
        view = FakeRoutingView({"hub": ["10.0.0.0/8", "fd00::/8"], "printer": ["10.1.2.3/32"]}, connected=["printer"])
        assert self.table(view) == [
            Route(ip_network("10.0.0.0/8"), "hub"),
            Route(ip_network("fd00::/8"), "hub"),
            Route(ip_network("10.1.2.3/32"), "printer"),
        ]
