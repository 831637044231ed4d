"""What a lab is built of: the machines of its hosts, and what lies between them. Namespaces, unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from appliance.lab.definition import LabFile
from appliance.lab.layout import Layout
from appliance.lab.machines.machine import Machine
from appliance.lab.machines.namespaced import NamespaceMachine
from appliance.lab.namespace import Namespace
from appliance.lab.naming import Tag
from appliance.lab.underlay import Underlay


class Rig(Protocol):
    """Makes the machines of a lab. `describe` says what they are."""

    def describe(self) -> str:
        """What each host is, for people: "a network namespace with its own devices"."""

    def prepare(self, definition: LabFile, say: Callable[[str], None]) -> None:
        """What takes long, and what can be refused, before anything is built: `say` gets progress. Raises ApplianceError."""

    def machine(self, name: str, tag: Tag, directory: Path) -> Machine:
        """The machine of a host, which is still to be created. `directory` is its own, on this machine."""

    def underlay(self, tag: Tag, layout: Layout, machines: Mapping[str, Machine]) -> Underlay | None:
        """What lies between them; None: it is there already, and nothing is known about it."""

    def addresses(self, layout: Layout, machines: Mapping[str, Machine]) -> Mapping[str, str]:
        """By the address that the layout has: the one that is to be called instead. To be asked when the machines are created.
        Raises LabFailure."""


class Namespaces:
    """Each host is a network namespace."""

    def describe(self) -> str:
        """As a namespace is seen from inside."""
        return "a network namespace with its own devices, routes and firewall"

    def prepare(self, definition: LabFile, say: Callable[[str], None]) -> None:
        """Nothing takes long."""

    def machine(self, name: str, tag: Tag, directory: Path) -> Machine:
        """In a namespace of its name."""
        return NamespaceMachine(name, Namespace(f"{tag}-{name}"), directory)

    def underlay(self, tag: Tag, layout: Layout, machines: Mapping[str, Machine]) -> Underlay | None:
        """Wires between the namespaces."""
        return Underlay(tag, layout, machines)

    def addresses(self, layout: Layout, machines: Mapping[str, Machine]) -> Mapping[str, str]:  # noqa: ARG002
        """They have those of the layout."""
        return {}
