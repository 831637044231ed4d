"""What a relay promises, and what it refuses."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.members.relays.desk import ATTEMPTS_AT_ONCE, CALLEE_KNOWS, CALLER_KNOWS, IDLE, Circuit, Desk, DeskLimits
from appliance.members.relays.messages import CircuitRefused, End, Reason

NOW = 1000.0
numbers = count()


def circuit(caller: str, callee: str) -> Circuit:
    return Circuit(f"{next(numbers):016x}", caller, callee, NOW, 2)


def desk(*reserved: str, **limits: float) -> Desk:
    made = Desk(DeskLimits(**limits))  # type: ignore[arg-type]
    for peer in reserved:
        made.reserve(peer, NOW)
    return made


def joined(where: Desk, caller: str, callee: str, now: float = NOW) -> Circuit:
    made = circuit(caller, callee)
    where.begin(made, now)
    where.joined(made, 3, now)
    return made


def refused(where: Desk, caller: str, callee: str, now: float = NOW) -> Reason:
    with pytest.raises(CircuitRefused) as caught:
        where.begin(circuit(caller, callee), now)
    return caught.value.reason


def test_nobody_is_called_without_a_reservation_nor_after_it() -> None:
    where = desk("b", reservation_seconds=60.0)
    assert refused(where, "b", "a") is Reason.NOT_THERE
    joined(where, "a", "b")
    assert refused(where, "c", "b", NOW + 60) is Reason.NOT_THERE
    where.reserve("b", NOW + 60)
    joined(where, "c", "b", NOW + 60)


def test_a_flood_of_reservations_takes_the_places_and_no_more() -> None:
    where = desk(reservations=3, reservation_seconds=60.0)
    for peer in ("a", "b", "c", "a", "a"):
        where.reserve(peer, NOW)
    with pytest.raises(CircuitRefused) as caught:
        where.reserve("d", NOW)
    assert caught.value.reason is Reason.FULL
    where.reserve("a", NOW + 30)  # who has one keeps it
    where.reserve("d", NOW + 60)
    assert where.reservations(NOW + 60) == 2


def test_there_are_so_many_circuits_in_all_and_of_a_peer() -> None:
    where = desk(*"abcd", circuits=3, circuits_of_a_peer=2)
    joined(where, "a", "b")
    begun = circuit("a", "c")
    where.begin(begun, NOW)  # it counts before it is joined
    assert refused(where, "a", "d") is Reason.TOO_MANY
    assert refused(where, "d", "a") is Reason.TOO_MANY
    joined(where, "c", "d")
    assert refused(where, "b", "d") is Reason.FULL
    where.withdraw(begun)
    joined(where, "b", "d")
    assert len(where) == 3


def test_who_calls_again_replaces_the_circuit_even_when_all_are_taken() -> None:
    where = desk("b", circuits=1, circuits_of_a_peer=1)
    first = joined(where, "a", "b")
    second = circuit("a", "b")
    assert where.begin(second, NOW) == [(first, End.REPLACED)]
    assert [*where] == [second]
    assert where.counters["ended-replaced"] == 1
    assert refused(where, "a", "b") is Reason.TOO_FAST  # the second is not joined yet


def test_an_idle_circuit_gives_up_its_place_and_a_busy_one_does_not() -> None:
    where = desk(*"abcd", circuits=2, circuits_of_a_peer=2)
    idle, busy = joined(where, "a", "b"), joined(where, "c", "b")
    later = NOW + IDLE - 1
    busy.count(0, 100, 0, later)
    assert refused(where, "d", "a", later) is Reason.FULL
    assert refused(where, "d", "b", later) is Reason.TOO_MANY
    where.reserve("a", later + 1)
    assert where.begin(circuit("d", "a"), later + 1) == [(idle, End.IDLE)]
    assert where.counters["ended-idle"] == 1
    assert refused(where, "b", "a", later + 1) is Reason.FULL
    assert busy in list(where)


def test_attempts_are_counted_for_each_peer() -> None:
    where = desk("b")
    for _ in range(int(ATTEMPTS_AT_ONCE)):
        assert refused(where, "a", "z") is Reason.NOT_THERE
    assert refused(where, "a", "b") is Reason.TOO_FAST
    joined(where, "c", "b")
    joined(where, "a", "b", NOW + 1)


def test_circuits_end_after_their_time_and_their_bytes() -> None:
    where = desk("b", seconds=100.0, bytes=1000)
    slow, busy = joined(where, "a", "b"), joined(where, "c", "b")
    busy.count(0, 400, 0, NOW)
    busy.count(1, 600, 0, NOW)
    assert where.overdue(NOW + 99) == [(busy, End.BYTES)]
    assert where.overdue(NOW + 100) == [(slow, End.TIME), (busy, End.TIME)]


def test_a_circuit_that_one_side_does_not_know_is_noticed_unless_it_is_young() -> None:
    where = desk("b")
    known, other = joined(where, "a", "b"), joined(where, "c", "b")
    assert where.unknown_to("b", (known.number,), NOW + CALLEE_KNOWS) == []
    assert where.unknown_to("b", (known.number,), NOW + CALLEE_KNOWS + 1) == [other]
    assert where.unknown_to("a", (known.number,), NOW + CALLER_KNOWS + 1) == []
    assert where.unknown_to("c", (), NOW + CALLER_KNOWS) == []
    assert where.unknown_to("c", (), NOW + CALLER_KNOWS + 1) == [other]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"), st.booleans(), st.integers(0, 9)), max_size=60))
def test_whatever_happens_the_counts_are_right(steps: list[tuple[str, str, bool, int]]) -> None:
    where, now = desk(*"abcde", circuits=4, circuits_of_a_peer=2), NOW
    for caller, callee, join, end in steps:
        now += 0.5
        made = circuit(caller, callee)
        with suppress(CircuitRefused):
            if caller != callee:
                where.begin(made, now)
                where.joined(made, 3, now) if join else where.withdraw(made)
        for each in list(where)[end:]:
            where.end(each.number, End.CLOSED)
        of = [end for each in where for end in each.ends]
        assert len(where) <= 4
        assert all(of.count(peer) <= 2 for peer in of)
        assert where._of == {peer: of.count(peer) for peer in of}
