"""The plan that takes a plan back, and whether there can be one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from appliance.api.planning import Action, HostState, Plan, Step
from appliance.errors import PlanError
from appliance.planning import own, resolv_conf
from appliance.planning.facts import VERBS, fact
from appliance.planning.simulate import after
from appliance.planning.wording import describe


def step(do: Action, undo: Action, plugin: str = "") -> Step:
    """A step, with its line for the admin and with what must be true once it was done."""
    return Step(describe(do) + (f" (plugin {plugin})" if plugin else ""), do, undo, fact(do), plugin)


def revert(plan: Plan) -> Plan:
    """The plan that undoes the steps of `plan`, the last one first."""
    return Plan(tuple(step(one.undo, one.do, one.plugin) for one in reversed(plan.steps)))


def refuse_irreversible(plan: Plan, observed: HostState) -> None:
    """Raise PlanError if the host would differ from `observed` after `plan` and its revert, as far as the model knows."""
    for one in plan.steps:
        for action in (one.do, one.undo):
            if action.verb not in VERBS:
                raise PlanError(f"the plan has a step that cannot be undone by another process: {action.verb!r}")
    actions = [*(one.do for one in plan.steps), *(one.undo for one in reversed(plan.steps))]
    before, finally_ = essence(after(observed, ())), essence(after(observed, actions))
    for noun, value in before.items():
        if finally_[noun] != value:
            raise PlanError(
                f"this plan could not be undone completely: the host's {noun} would differ afterwards",
                hint="please report this with the output of: appliance plan --json",
            )


def essence(state: HostState) -> dict[str, Any]:
    """A host in a form that can be compared. Without order, interface numbers, and the routes and addresses that the kernel
    makes."""
    return {
        "links": {name: _link(link) for name, link in state.links.items()},
        "addresses": _sorted(entry for entry in state.addresses if not own.is_kernels_own(entry["address"])),
        "routes": _sorted(
            own.without(dict(route), "source") for route in state.routes if route["protocol"] != own.KERNEL_PROTOCOL
        ),
        "rules": _sorted(own.without(dict(rule), "fwmask") for rule in state.rules),
        "settings": dict(state.sysctls),
        "tables": dict(state.tables),
        "name servers": (resolv_conf.before(state.resolver.get("text") or ""), state.resolver.get("resolved")),
    }


def _link(link: Mapping[str, Any]) -> dict[str, Any]:
    """An owner cannot be taken away again, so a TUN device that everybody could open compares as root's. Who has it open does not
    count."""
    tun = link["tun"]
    if tun is not None:
        tun = own.without(dict(tun), "queues") | {"owner": tun["owner"] or 0}
    return own.without(dict(link), "index") | {"tun": tun}


def _sorted(entries: Iterable[Any]) -> list[list[tuple[str, str]]]:
    return sorted(sorted((key, repr(value)) for key, value in entry.items() if value is not None) for entry in entries)
