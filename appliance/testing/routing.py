"""What a router may know. A test says what that is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from appliance.api.values import Network
from appliance.testing.services import FakeServices


class FakeRoutingServices(FakeServices):
    """`RoutingServices` of `appliance.api.routing`. `wishes` counts how often the router wanted to be asked again."""

    wishes = 0

    def changed(self) -> None:
        """Count it."""
        self.wishes += 1


class FakeRoutingView:
    """`RoutingView` of `appliance.api.routing`: `FakeRoutingView({"hub": ["10.0.0.0/8"]}, connected=["hub"])`."""

    def __init__(self, allowed: Mapping[str, Sequence[str]], connected: Iterable[str] = ()) -> None:
        self._allowed = {peer: tuple(ipaddress.ip_network(prefix) for prefix in prefixes) for peer, prefixes in allowed.items()}
        self._connected = frozenset(connected)

    def allowed(self) -> Iterable[tuple[str, tuple[Network, ...]]]:
        """Peers as given."""
        return tuple(self._allowed.items())

    def connected(self) -> frozenset[str]:
        """Names as given."""
        return self._connected
