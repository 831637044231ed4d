"""What faults are worth."""

from __future__ import annotations

import pytest

from appliance.knowledge.scores.faults import FORGERIES, WORTH, points_of
from appliance.knowledge.scores.history import GRAVE
from appliance.plugin_host.registry import MOST_OF_A_PEER
from appliance.wire.faults import Fault


def test_what_is_forged_is_grave_each_time() -> None:
    assert all(points_of(fault, 1) <= GRAVE for fault in ("forged-statement", "forged-row", "forged-claim"))
    assert points_of("forged-row", FORGERIES + 1) < points_of("forged-row", 1)


def test_what_happens_between_honest_nodes_is_small_and_grave_in_a_crowd() -> None:
    for fault in (Fault.CONTROL_FLOOD, Fault.MALFORMED, Fault.CONTROL_REUSED, Fault.CONTROL_UNASKED):
        crowd = WORTH[fault].crowd
        assert GRAVE < points_of(fault, crowd) < 0
        assert points_of(fault, crowd + 1) <= GRAVE


def test_a_plugin_of_another_version_that_knows_another_budget_is_no_attack() -> None:
    assert points_of(Fault.CONTROL_FLOOD, int(MOST_OF_A_PEER.messages)) > GRAVE


def test_what_says_nothing_is_not_there() -> None:
    assert not {Fault.CONTROL_UNKNOWN, Fault.CONTROL_LATE, Fault.CONTROL_FULL, Fault.SESSION_LIMIT} & set(WORTH)
    with pytest.raises(KeyError):
        points_of(Fault.CONTROL_UNKNOWN, 1)
