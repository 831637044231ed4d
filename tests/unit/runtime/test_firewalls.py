"""What is told of firewalls in the way, and when."""

from __future__ import annotations

import pytest

from appliance.api.planning import Advice
from appliance.runtime.host.firewalls import Firewalls

ONE, OTHER = (Advice("firewall-in-the-way", f"the firewall's chain {name} stops it", f"open {name}") for name in ("a", "b"))


def test_each_is_told_once_and_so_is_that_none_is_left(caplog: pytest.LogCaptureFixture) -> None:
    firewalls = Firewalls()
    with caplog.at_level("INFO"):
        for seen in ((), (ONE,), (ONE,), (ONE, OTHER), (OTHER,), (), ()):
            firewalls.seen(seen)
            assert firewalls.advice == seen
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


def test_what_a_plan_has_warned_of_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    firewalls = Firewalls()
    firewalls.applied((ONE,))
    firewalls.seen((ONE,))
    assert firewalls.advice == (ONE,)
    assert not caplog.records
