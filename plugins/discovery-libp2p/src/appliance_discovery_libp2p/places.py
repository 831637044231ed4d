"""Where others can call this node: each place where it listens, at the addresses that others see. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from appliance.api.values import Endpoint
from appliance_discovery_libp2p.place import MOST_ENDPOINTS, callable_from_here

ANY4, ANY6 = "0.0.0.0", "::"
"""How all addresses are written."""


def hosts(listening: str, seen: Sequence[str]) -> tuple[str, ...]:
    """What stands for an address that is listened at: itself, or for all addresses those that others see."""
    if listening == ANY6:
        return tuple(seen)
    if listening == ANY4:
        return tuple(host for host in seen if ipaddress.ip_address(host).version == 4)
    return (listening,)


def endpoints(listening: Sequence[Endpoint], seen: Sequence[str]) -> tuple[Endpoint, ...]:
    """In the order of `listening`, which is the node's order of transports."""
    found = [
        endpoint._replace(host=host) for endpoint in listening if endpoint.is_host_and_port for host in hosts(endpoint.host, seen)
    ]
    return tuple(dict.fromkeys(filter(callable_from_here, found)))[:MOST_ENDPOINTS]
