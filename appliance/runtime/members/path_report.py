"""What `appliance status` shows of direct paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.zones import shown
from appliance.foundation import clock
from appliance.members.reflections import Verdict

if TYPE_CHECKING:
    from appliance.runtime.members.paths import Paths
    from appliance.runtime.members.searched import Searched


def report(paths: Paths) -> dict[str, Any]:
    """What is known of the NATs, and of the path to each peer."""
    return {
        "nat": {f"ipv{version}": _verdict(paths.verdict(version)) for version in (4, 6)},
        "port_mapping": paths.mapping.report(),
        "candidates": [str(endpoint) for endpoint in paths.candidates()],
        "not_tried": {str(reason): count for reason, count in paths.judge.counters.items()},
        "held_back": paths.hands.budget.held_back,
        "met_by_chance": paths.chance.attempts.begun,
        "peers": {name: _path(searched) for name, searched in paths.peers.items()},
    }


def _path(searched: Searched) -> dict[str, Any]:
    machine = searched.punching
    return {
        "direct": machine.direct,
        "endpoint": None if machine.current is None else shown(machine.current),
        "since_s": round(clock.monotonic() - searched.since, 3),
        "rounds": machine.rounds,
        "why": searched.reason,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"mapping": str(verdict.mapping), "seen": [str(at) for at in verdict.seen], "voices": verdict.voices}
