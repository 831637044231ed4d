from __future__ import annotations

from uuid import UUID

import pytest

from appliance.errors import LocalFault
from appliance.protocol.events import CloseReason
from appliance.protocol.session import MOVES, Session, SessionState
from appliance.testing.pair import Pair
from appliance.testing.simulated_host import SUITES


def session() -> Session:
    return Session(
        index=1,
        remote_index=2,
        peer="b",
        session_id=UUID(int=0, version=4),
        suite=SUITES[0],
        pq=True,
        initiator=True,
        link=1,
        to=None,
        endpoint=None,
        started=0.0,
        since=0.0,
        last_heard=0.0,
    )


def test_states_follow_the_table() -> None:
    for state in SessionState:
        for to in SessionState:
            one = session()
            one.state = state
            if to in MOVES[state]:
                one.move(to)
                assert one.state is to
            else:
                with pytest.raises(LocalFault):
                    one.move(to)


def test_the_way_of_a_session() -> None:
    one = session()
    for state in (SessionState.ACTIVE, SessionState.DISCONNECTING, SessionState.CLOSED):
        one.move(state)
    assert not MOVES[SessionState.CLOSED]


def test_the_round_trip_is_smoothed() -> None:
    one = session()
    one.measured(0.1)
    assert one.rtt == 0.1
    one.measured(0.9)
    assert one.rtt == pytest.approx(0.2)


@pytest.mark.parametrize("proved", [True, False])
def test_the_exporter_is_kept_while_the_peer_is_still_to_prove_something(proved: bool) -> None:
    node = Pair().connect().a.node
    one = session()
    one.proved, one.exporter = proved, bytearray(b"e" * 32)
    assert "e" * 32 not in repr(one)
    held = one.exporter
    node._shared.open(one)
    assert bool(held) is not proved


def test_the_exporter_ends_with_its_session() -> None:
    node = Pair().connect().a.node
    one = session()
    one.proved, one.exporter = False, bytearray(b"e" * 32)
    held = one.exporter
    node._shared.open(one)
    node._shared.close(one, CloseReason.IDLE)
    assert held == b""


def test_of_a_peer_of_the_profile_no_exporter_is_kept() -> None:
    pair = Pair().connect()
    assert (pair.session("a").exporter, pair.session("b").exporter) == (b"", b"")
