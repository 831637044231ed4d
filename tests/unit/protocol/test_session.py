from __future__ import annotations

from uuid import UUID

import pytest

from appliance.errors import LocalFault
from appliance.protocol.session import MOVES, Session, SessionState
from appliance.testing.pair import Pair, identity_of
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


@pytest.mark.parametrize("strangers", [0, 8])
def test_the_exporter_is_kept_where_strangers_may_have_something_to_prove(strangers: int) -> None:
    pair = Pair(b={"probation": strangers}).connect()
    assert pair.session("a").exporter == b""
    kept = pair.b.node.control.exporter("a")
    assert (kept is not None) is bool(strangers)
    if kept is not None:
        assert (kept.session, kept.identity) == (pair.session("a").session_id.bytes, identity_of("a").fingerprint)
        assert len(kept.secret) == 32
        assert repr(kept.secret) not in repr(kept)
        assert repr(kept.secret) not in repr(pair.session("b"))


def test_both_ends_keep_the_same_and_it_ends_with_the_session() -> None:
    pair = Pair(a={"probation": 8}, b={"probation": 8}).connect()
    mine, theirs = pair.session("a").exporter, pair.session("b").exporter
    assert mine == theirs
    pair.a.node.shutdown(pair.network.now)
    pair.network.run(5.0)
    assert (mine, theirs) == (b"", b"")
    assert pair.b.node.control.exporter("a") is None
