"""What lies between the hosts of a lab on this machine: wires, switches and routers, each router and switch a namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.lab import network
from appliance.lab.layout import Layout, Wire
from appliance.lab.machines.machine import Machine
from appliance.lab.namespace import Namespace
from appliance.lab.naming import Tag
from appliance.lab.router import Router
from appliance.lab.switch import BRIDGE, Switch
from appliance.linux.machine import netns_cookie

MOST_AT_ONCE: Final = 4
"""Machines that come up side by side."""
IPV6: Final = Path("/proc/net/if_inet6")
"""Is there where the kernel knows IPv6."""


class Underlay:
    """Of one lab. `machines` are its hosts, each of which has a namespace."""

    def __init__(self, tag: Tag, layout: Layout, machines: Mapping[str, Machine]) -> None:
        self._tag = tag
        self._layout = layout
        self._hosts = _wired(machines)
        self.routers: dict[str, Router] = {}
        self.switches: dict[str, Switch] = {}
        """By their wires, those that have one."""

    def lay(self, directory: Path) -> None:
        """Routers, wires and routes. `directory` marks processes as the lab's. Raises HostError."""
        for name, entry in self._layout.routers.items():
            self.routers[name] = Router(name, entry, self._named(name))
            self.routers[name].create()
        for wire in self._layout.wires:
            network.lay(wire, self._machines(), self._new_switch(wire) if wire.switched else None)
        for switch in self.switches.values():
            switch.start(directory)
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:  # a guest comes up with its routes, which takes seconds
            for done in [
                pool.submit(machine.set_routes, self._layout.routes_of(name)) for name, machine in self._machines().items()
            ]:
                done.result()

    def load_routers(self) -> None:
        """The rules of each. To be called when all addresses are there. Raises HostError."""
        for name, router in self.routers.items():
            router.load(self._layout.box(name))

    @property
    def is_settled(self) -> bool:
        """Has the kernel noticed every carrier? It adds routes then, which would look like something that a node did. Raises
        HostError."""
        if not IPV6.exists():
            return True
        machines = self._machines()
        return all(network.is_settled(machines[end.machine].ip, end) for wire in self._layout.wires for end in wire.ends)

    def change_uplink(self, name: str, uplink: str | None) -> None:
        """Make a wire the only one of a host that is up, as a laptop moves from one network to another. None: all are up, as the
        lab was built. Raises HostError."""
        machine = self._hosts[name]
        ends = {wire.name: end for wire in self._layout.wires if (end := wire.end(name)) is not None}
        for wire, end in ends.items():
            if uplink not in (None, wire):
                network.take_down(machine.ip, end)
        for wire, end in ends.items():
            if uplink in (None, wire):
                network.bring_up(machine.ip, end)
        machine.set_routes(self._layout.routes_of(name, uplink))

    def namespaces(self) -> list[Namespace]:
        """All of them."""
        parts: Sequence[network.Wired | Switch] = [*self._machines().values(), *self.switches.values()]
        return [part.namespace for part in parts]

    def devices(self) -> frozenset[str]:
        """The names of its interfaces."""
        return frozenset([end.device for wire in self._layout.wires for end in wire.ends] + [BRIDGE, "llp0"])

    def cookies(self) -> frozenset[int]:
        """The kernel's numbers of its namespaces."""
        return frozenset(namespace.call(netns_cookie) for namespace in self.namespaces() if namespace.exists)

    def remove(self) -> list[str]:
        """Remove routers and switches. What went wrong before, and what is left."""
        troubles = [trouble for switch in self.switches.values() for trouble in switch.troubles]
        parts: list[Router | Switch] = [*self.routers.values(), *self.switches.values()]
        for part in parts:
            try:
                part.remove()
            except HostError as error:
                troubles.append(error.message)
        return troubles

    def _machines(self) -> dict[str, network.Wired]:
        return {**self._hosts, **self.routers}

    def _new_switch(self, wire: Wire) -> Switch:
        impair = wire.link.impair
        switch = Switch(wire, self._named(f"{wire.name}.switch"), impair.impairment() if impair is not None else None)
        self.switches[wire.name] = switch
        switch.create()
        return switch

    def _named(self, thing: str) -> Namespace:
        return Namespace(f"{self._tag}-{thing}")


def _wired(machines: Mapping[str, Machine]) -> dict[str, network.Wired]:
    wired: dict[str, network.Wired] = {}
    for name, machine in machines.items():
        assert isinstance(machine, network.Wired), f"wires lead to {machine.place}"
        wired[name] = machine
    return wired
