"""What the parts of one node share."""

from __future__ import annotations

from rigs.stage import ground

from appliance.knowledge.effects import Deed
from appliance.knowledge.pubsub.ground import Breach

ONE = b"1" * 32


def test_a_breach_is_counted_told_and_held_against_the_member() -> None:
    found = ground()
    for _ in range(3):
        found.breach(ONE, Breach.MALFORMED, 0.0)
    found.breach(ONE, Breach.BROKEN_PROMISE, 0.0)
    assert found.counters == {"malformed": 3, "broken-promise": 1}
    assert found.deeds == [Deed(ONE, "malformed", -10.0)] * 3 + [Deed(ONE, "broken-promise", -1.0)]
    assert found.scores.score(ONE, 0.0) < 0


def test_an_order_drawn_by_lot_has_each_once() -> None:
    members = [bytes([number]) * 32 for number in range(20)]
    drawn = ground().drawn(members)
    assert drawn != members
    assert sorted(drawn) == members
