from __future__ import annotations

import pytest

from appliance.protocol.events import Protect, SendMessage
from appliance.protocol.protection import QUIET_SECONDS, Protection, span_for
from appliance.testing.pair import Pair
from appliance.wire import liveness
from appliance.wire.envelope import PacketType


@pytest.mark.parametrize(("lost", "span"), [(0.0, 0), (0.0004, 0), (0.001, 16), (0.005, 8), (0.02, 4), (0.5, 4)])
def test_the_more_is_lost_the_shorter_the_columns(lost: float, span: int) -> None:
    assert span_for(lost) == span


def test_protection_is_raised_at_once_and_lowered_after_a_quiet_while() -> None:
    protection = Protection()
    assert not protection.report(0.0, 0.0)
    assert protection.report(0.001, 1.0)
    assert protection.report(0.02, 2.0)
    assert protection.span == 4
    assert not protection.report(0.0, 3.0)
    assert not protection.report(0.0, 2.0 + QUIET_SECONDS - 0.1)
    assert protection.report(0.001, 2.0 + QUIET_SECONDS)
    assert protection.span == 16
    assert protection.report(0.0, 2.0 + 2 * QUIET_SECONDS)
    assert protection.span == 0


def test_what_one_side_misses_the_other_protects() -> None:
    pair = Pair().connect()
    a, b, now = pair.a.node, pair.b.node, 100.0
    a.handle_loss(pair.session("a").link, 0.01)
    told = a.poll_event()
    assert isinstance(told, SendMessage)
    assert (told.kind, liveness.decode_ack(told.body).lost) == (PacketType.ACK, 10_000)
    index = pair.session("b").index
    b.handle_message(index, told.kind, told.channel, told.body, now)
    assert b.poll_event() == Protect(pair.session("b").link, 4)
    assert b.parity(pair.session("b").link) == 4
    b.handle_message(index, told.kind, told.channel, told.body, now + 1)
    assert b.poll_event() is None, "said once"


def test_a_new_worker_is_told_again() -> None:
    pair = Pair().connect()
    node, session = pair.a.node, pair.session("a")
    body = liveness.encode_ack(liveness.Ack(0, 1, 20_000))
    node.handle_message(session.index, PacketType.ACK, 0, body, 100.0)
    assert node.poll_event() == Protect(session.link, 4)
    node.handle_keys_lost(101.0)
    events = []
    while (event := node.poll_event()) is not None:
        events.append(event)
    assert Protect(session.link, 4) in events


def test_a_report_about_an_unknown_link_is_nothing() -> None:
    node = Pair().connect().a.node
    node.handle_loss(4711, 1.0)
    assert node.poll_event() is None
