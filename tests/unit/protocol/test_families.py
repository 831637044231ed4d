from __future__ import annotations

from appliance.api.peer_protocol import Limits
from appliance.protocol.families import Budget


def test_a_budget_is_of_messages_and_of_bytes() -> None:
    budget = Budget(Limits(messages=2.0, bytes=1000.0), burst=2.0, longest=100, now=0.0)
    assert [budget.take(10, 0.0) for _ in range(5)] == [True] * 4 + [False]
    assert not budget.take(10, 0.4)
    assert budget.take(10, 0.5)
    assert [budget.take(900, 10.0) for _ in range(3)] == [True, True, False]
    assert budget.take(100, 10.0), "what was refused cost nothing"


def test_the_longest_message_fits_into_any_budget() -> None:
    assert Budget(Limits(messages=0.1, bytes=1.0), burst=1.0, longest=16384, now=0.0).take(16384, 0.0)
