"""What a look-up has found, and what whoever waits for it is told."""

from __future__ import annotations

from appliance.knowledge.dht.jobs import AGREE, MOST_READ, Job, Why
from appliance.knowledge.dht.lookup import Lookup
from appliance.knowledge.dht.wire import Kind
from tests.unit.knowledge.dht.writers import MEMBERS, record


def job(kind: Kind = Kind.VALUE) -> Job:
    return Job(1, kind, Why.ASKED, Lookup(5, (), 100, 10.0), 10.0)


def test_six_members_of_two_paths_that_say_the_same_are_believed() -> None:
    one, same = job(), frozenset({b"record"})
    one.voices = [(0, same)] * AGREE
    assert not one.is_agreed(), "one path may be all of one liar's friends"
    one.voices = [(0, same)] * (AGREE - 1) + [(1, same)]
    assert not one.is_agreed(), "and somebody may have got in among the others"
    one.voices = [(0, same)] * (AGREE - 3) + [(1, same)] * 2
    assert not one.is_agreed()
    one.voices.append((0, same))
    assert one.is_agreed()
    one.voices.append((2, frozenset({b"record", b"another"})))
    assert not one.is_agreed(), "somebody has more: all are asked"


def test_of_each_writer_the_latest_record_is_told_the_highest_sequence_first() -> None:
    one = job()
    for number, writer in ((3, 1), (9, 1), (4, 1), (5, 2)):
        one.found(record(5, writer=writer, sequence=number))
    finished = one.finished(12.5)
    assert [(each.sequence, each.member) for each in finished.records] == [(9, MEMBERS[1]), (5, MEMBERS[2])]
    assert (finished.number, finished.ok, finished.seconds) == (1, True, 2.5)
    assert job(Kind.PROVIDERS).finished(11.0).ok is False


def test_providers_are_told_by_name() -> None:
    one = job(Kind.PROVIDERS)
    one.found(record(5, b"", 3))
    assert one.finished(11.0).providers == (MEMBERS[3],)


def test_what_it_remembers_to_have_read_has_an_end() -> None:
    one = job()
    for number in range(MOST_READ + 50):
        one.found(record(5, sequence=number))
    assert len(one.read) == MOST_READ
    assert one.best()[0].sequence == MOST_READ + 49
