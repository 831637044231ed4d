"""The underlay of a lab: wires, which are veth pairs between namespaces, or from each to a switch; addresses and routes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from appliance.lab.layout import End, Route, Wire
from appliance.lab.namespace import Namespace, ip
from appliance.lab.switch import Switch


def lay(wire: Wire, machines: Mapping[str, Namespace], switch: Switch | None, *, routers: Container[str]) -> None:
    """Connect the machines of one wire and give them their addresses. `switch` is None for a plain cable; `routers` are those of
    the machines that pass packets on. Raises HostError."""
    if switch is None:
        one, other = wire.ends
        peer = ["peer", "name", other.device, "netns", machines[other.machine].name]
        ip("link", "add", one.device, "netns", machines[one.machine].name, "type", "veth", *peer)
    else:
        for number, end in enumerate(wire.ends):
            switch.plug(number, machines[end.machine], end.device)
    for end in wire.ends:
        _address(end, machines[end.machine].name, wire.link.mtu, is_router=end.machine in routers)


def set_address(namespace: str, device: str, address: str, length: int) -> None:
    """Add an address that is usable at once, without duplicate address detection. Raises HostError."""
    nodad = ["nodad"] if ":" in address else []
    ip("addr", "add", f"{address}/{length}", "dev", device, *nodad, namespace=namespace)


def take_down(namespace: str, end: End) -> None:
    """Switch an interface off, and take its addresses, as what manages a laptop's networks does. Raises HostError."""
    ip("link", "set", end.device, "down", namespace=namespace)
    ip("addr", "flush", "dev", end.device, namespace=namespace)


def bring_up(namespace: str, end: End) -> None:
    """Switch it on again. Raises HostError."""
    ip("link", "set", end.device, "up", namespace=namespace)
    for address in end.addresses:
        nodad = ["nodad"] if address.version == 6 else []
        ip("addr", "replace", str(address), "dev", end.device, *nodad, namespace=namespace)


def set_routes(namespace: str, routes: Iterable[Route]) -> None:
    """Add routes, or change them. Raises HostError."""
    for route in routes:
        family = f"-{route.prefix.version}"
        ip(family, "route", "replace", str(route.prefix), "via", route.via, "dev", route.device, namespace=namespace)


def is_settled(namespace: str, end: End) -> bool:
    """Has the kernel noticed the device's carrier, and taken its addresses up? It does the second in a work queue of its own.
    Raises HostError."""
    routes = ip("-6", "route", "show", "table", "local", "dev", end.device, namespace=namespace)
    wanted = ["multicast", *(f"local {address.ip} " for address in end.addresses if address.version == 6)]
    return all(each in routes for each in wanted)


def _address(end: End, namespace: str, mtu: int, *, is_router: bool) -> None:
    if not is_router:  # who asks for neighbours on behalf of others must have a link-local address (RFC 4861, section 7.2.2)
        # it would come some time later, and look like something the node left behind
        ip("link", "set", end.device, "addrgenmode", "none", namespace=namespace)
    for address in end.addresses:
        set_address(namespace, end.device, str(address.ip), address.network.prefixlen)
    ip("link", "set", end.device, "mtu", str(mtu), "up", namespace=namespace)
