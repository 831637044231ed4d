"""Several nodes of one network namespace: what is another's is left alone, and refused where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.api.planning import Step
from appliance.apply.journal import Journal
from appliance.errors import HostError, PlanError
from appliance.foundation import places
from appliance.linux import machine
from appliance.planning.own import Owner

NAMING_LINK = {"tun.create": "name", "tun.own": "name", "link.set": "name", "address.add": "link"}
"""The steps that make an interface a node's own, and the argument that names it."""


def owner_of(state_dir: Path) -> Owner:
    """How the node with this state directory knows its own things."""
    return Owner.of(places.instance_of(state_dir))


def refuse_others(interface: str, state_dir: Path) -> None:
    """Raises PlanError when another node of this network namespace has the interface, or cannot be told apart from this one."""
    for name, directory in places.other_state_dirs(state_dir).items():
        steps = _in_force(directory)
        if not steps:
            continue
        if Owner.of(name).protocol == owner_of(state_dir).protocol:
            raise PlanError(
                f"the routes of the instances {places.instance_of(state_dir)} and {name} could not be told apart",
                hint="choose another name for one of them",
            )
        if interface in set(_links(steps)):
            whose = f"instance {name}" if name else "node without an instance's name"
            raise PlanError(
                f"the interface {interface} is that of another node of this network namespace, the {whose}",
                hint="write another network.interface into this profile",
            )


def _in_force(directory: Path) -> Sequence[Step]:
    """What its journal says. One that cannot be read says nothing: that is its own node's trouble."""
    try:
        return Journal(directory, boot_id=machine.boot_id(), netns=machine.netns_cookie()).state.in_force
    except (HostError, OSError):
        return ()


def _links(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        argument = NAMING_LINK.get(step.do.verb)
        if argument is not None:
            yield step.do.args[argument]
