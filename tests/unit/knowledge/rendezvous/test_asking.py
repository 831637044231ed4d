"""Questions to places: each is answered once, and a place asks itself without a message."""

from __future__ import annotations

from appliance.knowledge.rendezvous.asking import Asking
from appliance.knowledge.rendezvous.choice import Choice
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN


def test_each_question_is_answered_once() -> None:
    choice, heard = Choice(), list[bytes | None]()
    choice.use(frozenset({ANN.digest, BEN.digest}))
    asking = Asking(ANN.digest, choice, lambda kind, body, _wall: kind.encode() + body)
    asking.ask(BEN.digest, "find", b"1", lambda body, _now, _wall: heard.append(body))
    asking.ask(ANN.digest, "find", b"2", lambda body, _now, _wall: heard.append(body))
    (ask,) = asking.asked
    assert (ask.peer, ask.kind, ask.body, heard) == (BEN.digest, "find", b"1", [])
    asking.settle(0.0, 0.0)
    assert heard == [b"find2"]
    asking.answered(ask.number, None, 0.0, 0.0)
    asking.answered(ask.number, b"late", 0.0, 0.0)
    asking.answered(99, b"never asked", 0.0, 0.0)
    assert heard == [b"find2", None]
    assert choice.is_silent(BEN.digest, 1.0)
