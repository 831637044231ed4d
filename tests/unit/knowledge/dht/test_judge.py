"""Records that members hand over: what is wrong with them is counted, and speaks against who did it."""

from __future__ import annotations

import pytest

from appliance.knowledge.dht.judge import NEVER, SERVICE
from appliance.knowledge.dht.wire import MOST_VALUE, Packed, Type
from appliance.knowledge.effects import Deed
from tests.unit.knowledge.dht.writers import MEMBERS, WALL, judge, packed, record

GIVER = MEMBERS[7]
GOOD = record(5)
STRANGER = GOOD.encoded[:33] + bytes(32) + GOOD.encoded[65:]


def test_a_valid_record_is_read_and_nobody_is_blamed() -> None:
    one = judge()
    assert one.read(GIVER, packed(GOOD), WALL, 5) == GOOD
    assert (one.deeds, +one.counters) == ([], {})


@pytest.mark.parametrize(
    ("given", "reason", "points"),
    [
        (packed(record(6)), "wrong-key", NEVER),
        (packed(record(5, network=bytes(32))), "foreign-network", NEVER),
        (packed(record(5, key=b"another")), "forged", NEVER),
        (packed(record(5, type_=Type.PROVIDER)), "forged", NEVER),
        (packed(record(5), Type.PROVIDER), "forged", NEVER),
        (Packed(Type.VALUE, GOOD.encoded[:-64] + bytes(64)), "forged", NEVER),
        (Packed(Type.VALUE, GOOD.encoded[:-1]), "malformed", NEVER),
        (Packed(Type.VALUE, GOOD.encoded + bytes(9000)), "too-long", NEVER),
        (packed(record(5, bytes(MOST_VALUE + 1))), "malformed", NEVER),
        (packed(record(5, b"x", type_=Type.PROVIDER), Type.PROVIDER), "malformed", NEVER),
        (packed(record(5, seconds=60)), "expired", 0.0),
        (Packed(Type.VALUE, STRANGER), "unknown-member", 0.0),
    ],
)
def test_what_is_wrong_is_counted_by_reason(given: Packed, reason: str, points: float) -> None:
    one = judge()
    wall = WALL + 600 if reason == "expired" else WALL
    assert one.read(GIVER, given, wall, 5) is None
    assert +one.counters == {reason: 1}
    assert one.deeds == ([Deed(GIVER, reason, points)] if points else [])


@pytest.mark.parametrize(("off", "reason"), [(-86400.0, "future"), (86400.0, "expired")])
def test_a_clock_that_is_wrong_is_nobodys_fault(off: float, reason: str) -> None:
    one = judge()
    assert one.read(GIVER, packed(GOOD), WALL + off) is None
    assert (one.deeds, +one.counters) == ([], {reason: 1}), "this node's may be: it would think badly of all members"


def test_a_service_is_praised() -> None:
    one = judge()
    one.praise(GIVER, "gave-record")
    assert one.deeds == [Deed(GIVER, "gave-record", SERVICE)]
