"""Twice the peers are at most twice the work: no step of a plan looks at all the others."""

from __future__ import annotations

import json
from base64 import b32encode
from pathlib import Path
from typing import Any

from appliance.api.planning import Advice, HostState, Plan
from appliance.api.profile import Profile
from appliance.planning.clashes import loops_of_names
from appliance.planning.diff import plan, undo_cuts_off
from appliance.planning.revert import refuse_irreversible
from appliance.planning.simulate import after
from tests.rigs.work import calls

FEW, SOME, MANY = 50, 300, 550
"""The same number more each time."""
ADMIN = "198.51.100.9 50000 192.0.2.1 22"
HOST = Path(__file__).parents[2] / "plans/first-apply/observed.json"


def hub(peers: int, network: int = 100) -> Profile:
    listed: list[dict[str, Any]] = [
        {
            "name": f"p{number}",
            "identity": "llp1:" + b32encode(number.to_bytes(32, "big")).decode().rstrip("=").lower(),
            "endpoints": [f"udp://198.18.{number // 250}.{number % 250}:8443"],
            "allowed": [f"10.{network + number // 250}.{number % 250}.0/24"],
        }
        for number in range(peers)
    ]
    return Profile.model_validate({"profile": 1, "network": {"addresses": ["10.8.0.1/24"]}, "peers": listed})


def planned(observed: HostState, peers: int, *, network: int = 100, before: Plan | None = None) -> Plan:
    made = plan(hub(peers, network), observed, admin_address=ADMIN, applied=before.steps if before else ())
    refuse_irreversible(made, observed)
    return made


def host() -> HostState:
    return HostState(**json.loads(HOST.read_text()))


def growth(work: dict[int, int]) -> float:
    """What the second step up costs of what the first did."""
    return (work[MANY] - work[SOME]) / (work[SOME] - work[FEW])


def test_a_first_plan() -> None:
    planned(host(), FEW)  # imports and caches
    assert growth({peers: calls(lambda peers=peers: planned(host(), peers)) for peers in (FEW, SOME, MANY)}) < 1.3


def test_every_route_is_another_one() -> None:
    work = {}
    for peers in (FEW, SOME, MANY):
        before = planned(host(), peers)
        there = after(host(), [step.do for step in before.steps])
        work[peers] = calls(lambda: planned(there, peers, network=150, before=before))  # noqa: B023 - called at once
    assert growth(work) < 1.3


def test_the_way_back() -> None:
    work = {}
    for peers in (FEW, SOME, MANY):
        steps = planned(host(), peers).steps
        there = after(host(), [step.do for step in steps])
        work[peers] = calls(lambda: undo_cuts_off(steps, there, ADMIN))  # noqa: B023 - called at once
    assert growth(work) < 1.3


def test_every_name_is_inside_the_overlay() -> None:
    work = {}
    for peers in (FEW, SOME, MANY):
        profile, steps = hub(peers), planned(host(), peers).steps
        there = after(host(), [step.do for step in steps])
        names = {peer.endpoints[0].host: [str(peer.allowed[0].network_address + 1)] for peer in profile.peers}
        told: list[Advice] = []
        work[peers] = calls(lambda: told.extend(loops_of_names(profile, there, names)))  # noqa: B023 - called at once
        assert len(told) == peers
        assert "10.100.7.0/24 over llp0" in told[7].finding
    assert growth(work) < 1.3
