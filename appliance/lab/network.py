"""The underlay of a lab: wires, which are veth pairs between namespaces, or from each to a switch; addresses and routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from appliance.lab.layout import End, Route, Wire
from appliance.lab.namespace import Namespace, ip
from appliance.lab.switch import Switch


def lay(wire: Wire, machines: Mapping[str, Namespace], switch: Switch | None) -> None:
    """Connect the machines of one wire and give them their addresses. `switch` is None for a plain cable. Raises HostError."""
    if switch is None:
        one, other = wire.ends
        peer = ["peer", "name", other.device, "netns", machines[other.machine].name]
        ip("link", "add", one.device, "netns", machines[one.machine].name, "type", "veth", *peer)
    else:
        for number, end in enumerate(wire.ends):
            switch.plug(number, machines[end.machine], end.device)
    for end in wire.ends:
        _address(end, machines[end.machine].name, wire.link.mtu)


def set_address(namespace: str, device: str, address: str, length: int) -> None:
    """Add an address that is usable at once, without duplicate address detection. Raises HostError."""
    nodad = ["nodad"] if ":" in address else []
    ip("addr", "add", f"{address}/{length}", "dev", device, *nodad, namespace=namespace)


def set_routes(namespace: str, routes: Iterable[Route]) -> None:
    """Add routes. Raises HostError."""
    for route in routes:
        family = f"-{route.prefix.version}"
        ip(family, "route", "add", str(route.prefix), "via", route.via, "dev", route.device, namespace=namespace)


def is_settled(namespace: str, device: str) -> bool:
    """Has the kernel noticed the device's carrier? Then IPv6 multicast has its route. Raises HostError."""
    return "multicast" in ip("-6", "route", "show", "table", "local", "dev", device, namespace=namespace)


def _address(end: End, namespace: str, mtu: int) -> None:
    # a link-local address would come some time later, and look like something the node left behind
    ip("link", "set", end.device, "addrgenmode", "none", namespace=namespace)
    for address in end.addresses:
        set_address(namespace, end.device, str(address.ip), address.network.prefixlen)
    ip("link", "set", end.device, "mtu", str(mtu), "up", namespace=namespace)
