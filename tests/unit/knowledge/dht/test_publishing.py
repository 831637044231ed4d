"""What a node has written, and when it is written again."""

from __future__ import annotations

from appliance.knowledge.dht.publishing import AGAIN_SECONDS, REPUBLISH_SECONDS, Publishing
from appliance.knowledge.dht.wire import Type
from tests.unit.knowledge.dht.writers import WALL, record


def test_it_is_due_until_it_expires() -> None:
    publishing = Publishing()
    publishing.add(Type.VALUE, record(5, seconds=100), 10.0)
    assert publishing.due(9.0, WALL) == []
    (own,) = publishing.due(10.0, WALL)
    publishing.writing(own, 20.0)
    publishing.written(own.place, own.packed, is_enough=True, now=10.0)
    assert publishing.due(19.0, WALL) == []
    assert len(publishing.due(20.0, WALL)) == 1
    assert publishing.due(20.0, WALL + 100) == []
    assert len(publishing) == 0


def test_what_was_written_in_its_place_meanwhile_is_due_as_before() -> None:
    publishing = Publishing()
    publishing.add(Type.VALUE, record(5), 10.0)
    (old,) = publishing.due(10.0, WALL)
    publishing.add(Type.VALUE, record(5, sequence=2), 11.0)
    publishing.written(old.place, old.packed, is_enough=False, now=0.0)
    assert [(each.record.sequence, each.again) for each in publishing.due(11.0, WALL)] == [(2, AGAIN_SECONDS)]


def test_what_too_few_keep_is_written_again_soon_and_then_less_soon() -> None:
    publishing, now, times = Publishing(), 0.0, []
    publishing.add(Type.VALUE, record(5), REPUBLISH_SECONDS)
    for _ in range(9):
        (own,) = publishing
        publishing.writing(own, now + REPUBLISH_SECONDS)
        publishing.written(own.place, own.packed, is_enough=False, now=now)
        (own,) = publishing
        times.append(own.due - now)
        now = own.due
    assert times == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    publishing.written(own.place, own.packed, is_enough=True, now=now)
    assert next(iter(publishing)).again == AGAIN_SECONDS


def test_a_value_and_that_one_has_it_are_two_records() -> None:
    publishing = Publishing()
    publishing.add(Type.VALUE, record(5), 0.0)
    publishing.add(Type.PROVIDER, record(5, b"", type_=Type.PROVIDER), 0.0)
    publishing.remove((Type.VALUE, 5))
    publishing.remove((Type.VALUE, 6))
    assert [own.type for own in publishing] == [Type.PROVIDER]
    assert (Type.PROVIDER, 5) in publishing


def test_sequences_rise_also_after_a_restart_and_within_a_millisecond() -> None:
    publishing = Publishing()
    publishing.add(Type.VALUE, record(5, sequence=2**45), 0.0)
    numbers = [publishing.sequence(WALL) for _ in range(3)]
    assert numbers == [2**45 + 1, 2**45 + 2, 2**45 + 3]
    assert Publishing().sequence(WALL) == WALL * 1000


def test_what_is_remembered_does_not_come_in_the_place_of_what_was_put_since() -> None:
    publishing = Publishing()
    publishing.add(Type.VALUE, record(5, b"new", sequence=2), 10.0)
    publishing.add(Type.VALUE, record(5, b"old", sequence=1), 0.0)
    assert [own.record.sequence for own in publishing] == [2]
