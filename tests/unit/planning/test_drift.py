"""What a running node brings back by itself, and what it leaves to the admin."""

from __future__ import annotations

from appliance.api.planning import Action, Step
from appliance.planning.drift import bringing_back


def step(verb: str) -> Step:
    action = Action(verb, {})
    return Step(verb, action, action, action)


def test_what_somebody_added_is_left_alone() -> None:
    steps = [step(verb) for verb in ("address.remove", "route.remove", "rule.remove", "address.add", "nft.replace", "sysctl.set")]
    assert bringing_back(steps) == tuple(steps[3:])


def test_an_interface_that_is_made_anew_is_emptied_first() -> None:
    steps = [step(verb) for verb in ("address.remove", "link.delete", "tun.create", "address.add")]
    assert bringing_back(steps) == tuple(steps)
