"""What sessions without traffic do, and so what they cost: keepalives and, now and then, new keys."""

from __future__ import annotations

import pytest

from appliance.testing.network import Network
from appliance.testing.pair import Pair

TEN_MINUTES = 600.0
NEW_KEYS = 20
"""Packets of the key exchange that is made once in that time, the old session's last and the new one's first keepalives."""


@pytest.mark.parametrize("keepalive", [1.0, 10.0, 25.0])
def test_an_idle_session_sends_a_keepalive_and_an_answer_each_way(keepalive: float) -> None:
    pair = Pair(Network(seed=1), keepalive=keepalive).connect()
    pair.network.run(20)
    before = pair.network.counters["sent"]
    pair.network.run(TEN_MINUTES)
    assert pair.connected()
    assert pair.network.counters["sent"] - before <= 4 * TEN_MINUTES / keepalive + NEW_KEYS
