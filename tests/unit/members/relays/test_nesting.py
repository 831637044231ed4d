"""Relays behind relays, and no circles."""

from __future__ import annotations

import pytest

from appliance.members.relays.messages import CircuitRefused, Reason
from appliance.members.relays.nesting import MOST_RELAYS, carriers, check_joint, check_way


def refused(peer: str, relay: str, ways: dict[str, str]) -> Reason:
    with pytest.raises(CircuitRefused) as caught:
        check_way(peer, relay, ways.get)
    return caught.value.reason


def test_a_way_may_go_over_relays_that_are_reached_over_relays() -> None:
    assert check_way("b", "r1", {}.get) == 1
    assert check_way("b", "r2", {"r2": "r1"}.get) == 2
    assert check_way("b", "r3", {"r3": "r2", "r2": "r1"}.get) == MOST_RELAYS
    assert refused("b", "r4", {"r4": "r3", "r3": "r2", "r2": "r1"}) is Reason.TOO_FAR


def test_no_way_goes_through_its_own_end() -> None:
    assert refused("b", "b", {}) is Reason.CIRCLE
    assert refused("r1", "r2", {"r2": "r1"}) is Reason.CIRCLE
    assert refused("r1", "r3", {"r3": "r2", "r2": "r1"}) is Reason.CIRCLE


def test_a_circle_that_is_there_already_is_not_followed_for_ever() -> None:
    assert len(carriers("a", {"a": "b", "b": "a"}.get)) == MOST_RELAYS + 1


def test_a_relay_joins_nobody_through_the_other_end() -> None:
    near = {"a": 0, "b": 1, "c": 1, "d": 2}
    assert check_joint("a", "b", {"b": "r"}.get, near.__getitem__) == 2
    assert check_joint("b", "c", {"b": "r", "c": "r"}.get, near.__getitem__) == 3
    for caller, callee, ways, reason in [
        ("a", "a", {}, Reason.CIRCLE),
        ("a", "b", {"b": "a"}, Reason.CIRCLE),
        ("b", "a", {"b": "a"}, Reason.CIRCLE),
        ("b", "d", {}, Reason.TOO_FAR),
    ]:
        with pytest.raises(CircuitRefused) as caught:
            check_joint(caller, callee, ways.get, near.__getitem__)
        assert caught.value.reason is reason
