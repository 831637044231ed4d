"""Pages of a log, from both ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.management.audit.entry import Entry, Outcome, Who
from appliance.runtime.audit import reading
from appliance.runtime.audit.folder import segments
from appliance.runtime.audit.reading import Wanted, newest, oldest, text_of_entry
from appliance.runtime.audit.segment_writer import SEGMENT_SECONDS, Keep, SegmentWriter, Stamped

NOON = 1_800_000_000.0
ALL = Wanted()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty entries in three segments."""
    path = tmp_path / "node.audit"
    log = SegmentWriter(path, "llp1:node", Keep(1 << 30, 1e9), lambda count: b"\x0b" * count)
    for number in range(1, 31):
        wall = NOON + number // 11 * SEGMENT_SECONDS
        who = Who("api", "alice" if number % 2 else "bob")
        log.append([Stamped(Entry("stream.denied" if number % 3 else "reload", Outcome.DONE, who), wall)], wall)
    log.close()
    return path


def numbers(page: reading.Page) -> list[int]:
    return [entry["n"] for entry in page.entries]


def test_pages_from_the_oldest_on_have_each_entry_once(folder: Path) -> None:
    seen, after = [], 0
    while (page := oldest(folder, ALL, after, 7)).entries:
        seen += numbers(page)
        assert page.next is not None
        after = page.next
    assert seen == list(range(1, 31))
    assert (after, oldest(folder, ALL, after, 7)) == (30, reading.Page([], 30))


def test_pages_from_the_newest_back_have_each_entry_once(folder: Path) -> None:
    seen, before = [], 0
    while True:
        page = newest(folder, ALL, before, 7)
        seen += numbers(page)
        if page.next is None:
            break
        before = page.next
    assert seen == list(range(30, 0, -1))


def test_only_those_that_are_wanted(folder: Path) -> None:
    assert numbers(newest(folder, Wanted(who="bob", what="reload"), 0, 100)) == [30, 24, 18, 12, 6]
    assert len(oldest(folder, Wanted(what="stream"), 0, 100).entries) == 20
    day = "2027-01-16"
    assert numbers(oldest(folder, Wanted(since=day), 0, 100)) == list(range(11, 31))
    assert numbers(oldest(folder, Wanted(until=day), 0, 100)) == list(range(1, 11))
    assert numbers(newest(folder, Wanted(since=day), 0, 100)) == list(range(30, 10, -1))


def test_a_clock_that_was_wrong_for_a_moment_hides_nothing(folder: Path) -> None:
    log = SegmentWriter(folder, "llp1:node", Keep(1 << 30, 1e9), lambda count: b"\x0b" * count)
    for wall in (0.0, NOON + 1e6):
        log.append([Stamped(Entry("late", Outcome.DONE), wall)], NOON)
    log.close()
    assert numbers(newest(folder, Wanted(since="2027"), 0, 100)) == [32, *range(30, 0, -1)]


def test_a_log_that_was_changed_is_shown_as_far_as_it_goes(folder: Path) -> None:
    path = segments(folder)[1].path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"rubbish\n", lines[5], lines[4], *lines[6:]]))
    assert sorted(numbers(newest(folder, ALL, 0, 100))) == [*range(1, 13), *range(14, 31)]
    assert numbers(oldest(folder, ALL, 25, 100)) == list(range(26, 31))


def test_one_question_reads_so_much_and_says_where_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_READ", 10)
    nobody = Wanted(who="nobody")
    assert oldest(folder, nobody, 0, 5) == reading.Page([], 10)
    assert oldest(folder, nobody, 10, 5) == reading.Page([], 21)
    assert newest(folder, nobody, 0, 5) == reading.Page([], 22)
    assert newest(folder, nobody, 22, 5) == reading.Page([], 11)
    assert newest(folder, nobody, 11, 5) == reading.Page([], None)


def test_a_line_for_people_and_nothing_for_their_terminal() -> None:
    entry = {
        "who": {"kind": "api", "name": "al\x1bice"},
        "told_by": {"kind": "local", "name": "api"},
        "what": "reload",
        "target": "sha256:12",
        "outcome": "failed",
        "reason": "Withheld",
        "times": 3,
        "more": {"bytes": 7},
    }
    said = "api:al\ufffdice reload sha256:12 failed (Withheld) 3 times bytes=7 [told by local:api]"
    assert text_of_entry(entry) == said
    assert text_of_entry({"who": 3, "more": []}) == "? None None"
