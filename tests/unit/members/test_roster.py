from __future__ import annotations

from contextlib import suppress
from math import inf

import pytest

from appliance.members.roster import BUCKETS, Roster
from appliance.members.row import FUTURE_SECONDS, RowFault, RowRefused
from tests.unit.members.rows import FULL, NETWORK, NOW, Listed, member, public, roster, row


def refused(found: Roster, encoded: bytes) -> RowFault:
    before = found.root()
    with pytest.raises(RowRefused) as refusal:
        found.take_row(encoded, NOW)
    assert found.root() == before
    return refusal.value.reason


def test_a_later_row_replaces_an_earlier_one() -> None:
    found = roster("a", "b")
    assert found.take_row(row("a", 1), NOW).before is None
    taken = found.take_row(row("a", 3, **FULL), NOW)
    assert (taken.before is not None and taken.before.sequence, taken.row.sequence) == (1, 3)
    assert found.rows[member("a")].load == 7
    assert found.row_of(member("a")) == row("a", 3, **FULL)
    assert len(found) == 1


def test_what_is_refused_is_counted_by_reason() -> None:
    found = roster("a", "b")
    found.take_row(row("a", 5), NOW)
    wrong = {
        RowFault.OLD: [row("a", 4), row("a", 5)],
        RowFault.FORGED: [row("a", 6, by="b"), row("b", by="a")],
        RowFault.UNKNOWN: [row("stranger")],
        RowFault.FOREIGN: [row("a", 6, network=bytes(32))],
        RowFault.FUTURE: [row("a", 6, written=NOW + FUTURE_SECONDS + 1)],
        RowFault.TOO_LONG: [bytes(5000)],
        RowFault.MALFORMED: [b"", row("a", 6)[:-1]],
    }
    for reason, rows in wrong.items():
        assert [refused(found, each) for each in rows] == [reason] * len(rows)
    assert found.refused == {reason: len(rows) for reason, rows in wrong.items()}


def test_who_does_not_know_the_time_takes_rows_of_any() -> None:
    found = roster("a")
    found.future = inf
    assert found.take_row(row("a", 1, written=NOW + 3650 * FUTURE_SECONDS), NOW)


def test_two_rows_with_one_sequence_settle_alike_everywhere() -> None:
    two = [row("a", 1, load=1), row("a", 1, load=2)]
    first, second = roster("a"), roster("a")
    for found, order in ((first, two), (second, two[::-1])):
        for each in order:
            try:
                found.take_row(each, NOW)
            except RowRefused:
                assert found.refused == {RowFault.OLD: 1}
    assert first.root() == second.root()


def test_who_is_no_member_any_more_has_no_row() -> None:
    found = roster("a", "b")
    for name in ("a", "b"):
        found.take_row(row(name), NOW)
    alone = roster("a")
    alone.take_row(row("a"), NOW)
    assert found.root() != alone.root()
    found.use({member("a"): public("a")}, ())
    assert found.root() == alone.root()
    assert refused(found, row("b", 2)) is RowFault.UNKNOWN


def test_statements_come_and_go() -> None:
    found = Roster(NETWORK)
    empty = found.root()
    new = found.use({}, [b"one", b"two"])
    assert [entry.encoded for entry in new] == [b"one", b"two"]
    assert [found.entry(entry.key) for entry in new] == new
    assert [entry.encoded for entry in found.use({}, [b"three", b"one"])] == [b"three"]
    assert found.use({}, []) == []
    assert found.root() == empty


def test_the_same_is_the_same_in_any_order() -> None:
    names = [f"n{n}" for n in range(40)]
    first, second = roster(*names), roster(*names)
    for found, order in ((first, names), (second, names[::-1])):
        for name in order:
            found.take_row(row(name), NOW)
    assert first.digests() == second.digests()
    assert list(first) == list(second)
    second.take_row(row("n7", 2), NOW)
    differ = [n for n in range(BUCKETS) if first.digest_of(n) != second.digest_of(n)]
    assert differ == [member("n7")[0]]
    assert first.root() != second.root()


def test_memory_is_bounded_by_who_is_a_member() -> None:
    listed = Listed("a")
    found = Roster(NETWORK)
    found.use(listed.keys(NOW), ())
    for number in range(200):
        for each in (row("a", number + 1), row(f"stranger {number}")):
            with suppress(RowRefused):
                found.take_row(each, NOW)
    assert len(found) == len(found.rows) == 1
