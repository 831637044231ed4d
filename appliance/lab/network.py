"""The underlay of a lab: wires, which are veth pairs between namespaces, or from each to a switch; addresses and routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from appliance.api.values import Interface
from appliance.lab.layout import End, Route, Wire
from appliance.lab.namespace import Namespace, ip
from appliance.lab.switch import Switch

Ip = Callable[..., str]
"""ip(8) on one machine: takes its words, returns what it printed, raises HostError."""


@runtime_checkable
class Wired(Protocol):
    """A machine that wires lead to."""

    @property
    def namespace(self) -> Namespace:
        """Where its end of a wire comes out."""

    def attach(self, end: End, mtu: int) -> None:
        """Take the end up: the device has its addresses and the wire's MTU, and is up. Raises HostError."""

    def set_routes(self, routes: Sequence[Route]) -> None:
        """Add routes, or change them. Raises HostError."""

    def ip(self, *words: str) -> str:
        """What ip(8) prints there. Raises HostError with what it complained of."""


def lay(wire: Wire, machines: Mapping[str, Wired], switch: Switch | None) -> None:
    """Connect the machines of one wire and give them their addresses. `switch` is None for a plain cable. Raises HostError."""
    if switch is None:
        one, other = wire.ends
        peer = ["peer", "name", other.device, "netns", machines[other.machine].namespace.name]
        ip("link", "add", one.device, "netns", machines[one.machine].namespace.name, "type", "veth", *peer)
    else:
        for number, end in enumerate(wire.ends):
            switch.plug(number, machines[end.machine].namespace, end.device)
    for end in wire.ends:
        machines[end.machine].attach(end, wire.link.mtu)


def set_up(run: Ip, end: End, mtu: int, *, is_router: bool) -> None:
    """Give a device its addresses and MTU, and bring it up. Routers are those machines that pass packets on. Raises HostError."""
    if not is_router:  # who asks for neighbours on behalf of others must have a link-local address (RFC 4861, section 7.2.2)
        # it would come some time later, and look like something the node left behind
        run("link", "set", end.device, "addrgenmode", "none")
    for address in end.addresses:
        set_address(run, end.device, address)
    run("link", "set", end.device, "mtu", str(mtu), "up")


def set_address(run: Ip, device: str, address: Interface) -> None:
    """Give a device an address that is usable at once, without duplicate address detection. Raises HostError."""
    run("addr", "replace", str(address), "dev", device, *(["nodad"] if address.version == 6 else []))


def take_down(run: Ip, end: End) -> None:
    """Switch an interface off, and take its addresses, as what manages a laptop's networks does. Raises HostError."""
    run("link", "set", end.device, "down")
    run("addr", "flush", "dev", end.device)


def bring_up(run: Ip, end: End) -> None:
    """Switch it on again. Raises HostError."""
    run("link", "set", end.device, "up")
    for address in end.addresses:
        set_address(run, end.device, address)


def set_routes(run: Ip, routes: Iterable[Route]) -> None:
    """Add routes, or change them. Raises HostError."""
    for route in routes:
        run(f"-{route.prefix.version}", "route", "replace", str(route.prefix), "via", route.via, "dev", route.device)


def is_settled(run: Ip, end: End) -> bool:
    """Has the kernel noticed the device's carrier, and taken its addresses up? It does the second in a work queue of its own.
    Raises HostError."""
    routes = run("-6", "route", "show", "table", "local", "dev", end.device)
    wanted = ["multicast", *(f"local {address.ip} " for address in end.addresses if address.version == 6)]
    return all(each in routes for each in wanted)
