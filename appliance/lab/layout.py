"""Which machines, wires, addresses and routes a lab file comes to. Pure.

A host that is `behind` a NAT gets a router of its own, which takes its place on the wire, and a wire between the two. Gateways
follow from the wires: a machine's default route goes to the first router that it meets on the inner side.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from appliance.api.values import Interface, Network
from appliance.lab.definition import LabFile, LinkEntry, RouterEntry
from appliance.lab.nat import UNTRANSLATED, Box, Kind

INSIDE = "lan"
"""What a router's interface towards the host behind it is called."""
ANYWHERE: dict[int, Network] = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class End:
    """Where a wire meets a machine."""

    machine: str
    device: str
    addresses: tuple[Interface, ...]

    def address(self, version: int) -> str | None:
        """Its address of an IP version."""
        return next((str(address.ip) for address in self.addresses if address.version == version), None)


@dataclass(frozen=True, slots=True)
class Wire:
    """A cable between two machines, a switch between more."""

    name: str
    link: LinkEntry
    """The entry of the file that it comes from: it has the wire's MTU, for one."""
    ends: tuple[End, ...]
    """In the order of the entry's hosts."""
    is_cut: bool = False
    """Does a step take it apart?"""

    @property
    def switched(self) -> bool:
        """Is there a switch in its middle?"""
        return len(self.ends) > 2 or self.link.impair is not None or self.is_cut

    @property
    def networks(self) -> tuple[Network, ...]:
        """The prefixes of the wire."""
        return tuple(address.network for address in self.ends[0].addresses)

    def end(self, machine: str) -> End | None:
        """Where it meets a machine; None if it does not."""
        return next((end for end in self.ends if end.machine == machine), None)


class Route(NamedTuple):
    """A route of a machine's main table."""

    prefix: Network
    via: str
    device: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What is to be built."""

    wires: tuple[Wire, ...]
    routers: Mapping[str, RouterEntry]
    """Those of the file, and those that `behind` stands for."""

    def routes_of(self, machine: str, uplink: str | None = None) -> tuple[Route, ...]:
        """Its routes: to what lies behind the routers that it meets on their outer side, and to everywhere. `uplink`: the only
        one of its wires that is up; None: all are."""
        inwards = _routes_inwards(machine, self.wires, self.routers)
        return (
            *(route for route in inwards if uplink is None or uplink == self._wire_at(machine, route.device)),
            *_default_routes(machine, self.wires, self.routers, uplink),
        )

    def _wire_at(self, machine: str, device: str) -> str:
        return next(wire.name for wire in self.wires if (end := wire.end(machine)) is not None and end.device == device)

    def box(self, router: str) -> Box:
        """What the rules of a router need to know."""
        entry = self.routers[router]
        outer = next((end for wire in self.wires if wire.name == entry.outside and (end := wire.end(router))), None)
        inner = [end for wire in _inside(self.wires, router, entry) for end in wire.ends if end.machine != router]
        return Box(
            outside=outer.device if outer else "",
            external=(outer.address(4) or "") if outer else "",
            inside=[address for end in inner if (address := end.address(4))],
            mapping_seconds=entry.mapping,
        )


def layout_of(lab: LabFile) -> Layout:
    """The layout of a lab file that has no complaints."""
    routers = dict(lab.routers)
    wires: list[Wire] = []
    for link in lab.links:
        public = _wire(link, is_cut=link.name in lab.cut_wires)
        for host in link.hosts:
            kinds = lab.hosts[host].behind if host in lab.hosts else ()
            if kinds:
                public = _put_behind(public, host, kinds, wires, routers)
        wires.append(public)
    return Layout(tuple(wires), routers)


def router_name(host: str, number: int, count: int) -> str:
    """What the `number`-th of `count` routers before a host is called, counted from the host outwards."""
    return f"{host}-nat" if count == 1 else f"{host}-nat{number + 1}"


def _wire(link: LinkEntry, *, is_cut: bool) -> Wire:
    prefixes = [prefix for prefix in (link.ipv4, link.ipv6) if prefix is not None]
    ends = [
        End(host, link.name, tuple(_numbered(prefix, number) for prefix in prefixes)) for number, host in enumerate(link.hosts, 1)
    ]
    return Wire(link.name, link, tuple(ends), is_cut)


def _put_behind(public: Wire, host: str, kinds: tuple[Kind, ...], wires: list[Wire], routers: dict[str, RouterEntry]) -> Wire:
    """Add the routers and the wires between them. The public wire, with the outermost router in the place of the host."""
    names = [router_name(host, number, len(kinds)) for number in range(len(kinds))]
    outer = [*(f"{public.name}-{name}" for name in names[:-1]), public.name]
    inner_machine = host
    for kind, name, outside in zip(kinds, names, outer, strict=True):
        routers[name] = RouterEntry(nat=kind).model_copy(update={"outside": outside})
        number = len(wires) + 1  # each such wire has prefixes of its own
        prefixes: list[Network] = (
            [ipaddress.ip_network(f"172.{16 + number // 256}.{number % 256}.0/24")] if public.link.ipv4 else []
        )
        prefixes += [ipaddress.ip_network(f"fd16:{number:x}::/64")] if public.link.ipv6 else []
        ends = (
            End(name, INSIDE, tuple(_numbered(prefix, 1) for prefix in prefixes)),
            End(inner_machine, public.name, tuple(_numbered(prefix, 2) for prefix in prefixes)),
        )
        wires.append(Wire(f"{public.name}-{inner_machine}", public.link.model_copy(update={"impair": None}), ends))
        inner_machine = name
    return replace(public, ends=tuple(replace(end, machine=inner_machine) if end.machine == host else end for end in public.ends))


def _numbered(prefix: Network, number: int) -> Interface:
    return ipaddress.ip_interface(f"{prefix[number]}/{prefix.prefixlen}")


# --- routes -----------------------------------------------------------------------------------------------------------------


def _default_routes(
    machine: str, wires: Sequence[Wire], routers: Mapping[str, RouterEntry], uplink: str | None
) -> tuple[Route, ...]:
    """Its routes to everywhere: by the wire `uplink`, or by the first that has a router on its inner side."""
    found: dict[int, Route] = {}
    for wire in wires:
        mine = wire.end(machine)
        outwards = machine not in routers or routers[machine].outside == wire.name
        if mine is None or not outwards or uplink not in (None, wire.name):
            continue
        for end in wire.ends:
            if end.machine in routers and end.machine != machine and routers[end.machine].outside != wire.name:
                for address in end.addresses:
                    version = address.version
                    if mine.address(version):
                        found.setdefault(version, Route(ANYWHERE[version], str(address.ip), mine.device))
    return tuple(found.values())


def _routes_inwards(machine: str, wires: Sequence[Wire], routers: Mapping[str, RouterEntry]) -> Iterator[Route]:
    """To what lies behind the routers that are met on their outer side."""
    for wire in wires:
        mine = wire.end(machine)
        if mine is None:
            continue
        for end in wire.ends:
            if end.machine != machine and end.machine in routers and routers[end.machine].outside == wire.name:
                for prefix in _behind(end.machine, wires, routers):
                    via = end.address(prefix.version)
                    if via is not None and mine.address(prefix.version):
                        yield Route(prefix, via, mine.device)


def _behind(router: str, wires: Sequence[Wire], routers: Mapping[str, RouterEntry]) -> Iterator[Network]:
    """The prefixes that are reached through a router under their own addresses."""
    for wire in _inside(wires, router, routers[router]):
        found = list(wire.networks)
        for end in wire.ends:
            if end.machine != router and end.machine in routers and routers[end.machine].outside == wire.name:
                found += _behind(end.machine, wires, routers)
        yield from (prefix for prefix in found if prefix.version == 6 or routers[router].nat in UNTRANSLATED)


def _inside(wires: Sequence[Wire], router: str, entry: RouterEntry) -> list[Wire]:
    return [wire for wire in wires if wire.end(router) and wire.name != entry.outside]
