"""What earlier applies did to this host, read from the steps in force: what is ours, and what was there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from appliance.api.planning import Action, Step
from appliance.planning.own import UNNAMED, Owner
from appliance.planning.resolv_conf import interface_of


@dataclass(frozen=True, slots=True)
class Ledger:
    """The sum of the steps in force."""

    created: frozenset[str] = frozenset()
    """Interfaces that we made."""
    originals: Mapping[str, Action] = field(default_factory=dict)
    """For each setting that the core changed last, the action that brings back its first value."""
    resolv_conf: bool = False
    """Is /etc/resolv.conf as we wrote it, and do the steps know what was there before?"""
    resolved: bool = False
    """Does systemd-resolved ask where we told it to?"""
    owner: Owner = UNNAMED
    """How the node's routes, rules and tables are known."""

    @classmethod
    def of(cls, applied: Sequence[Step], owner: Owner = UNNAMED) -> Ledger:
        """Sum up the steps in force, oldest first."""
        created: set[str] = set()
        originals: dict[str, Action] = {}
        changed_by: dict[str, str] = {}
        written = told = False
        for step in applied:
            match step.do.verb:
                case "tun.create":
                    created.add(step.do.args["name"])
                case "link.delete":
                    created.discard(step.do.args["name"])
                case "sysctl.set":
                    originals.setdefault(step.do.args["key"], step.undo)
                    changed_by[step.do.args["key"]] = step.plugin
                case "resolv_conf.write":
                    written = bool(interface_of(step.do.args["text"] or ""))
                case "resolved.set":
                    told = bool(step.do.args["servers"])
        kept = {key: action for key, action in originals.items() if not changed_by[key]}
        return cls(frozenset(created), kept, written, told, owner)
