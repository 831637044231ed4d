"""Each way to change a log is found, and told with the place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.audit.chain import ENTRY_LABEL, line_of, next_hash
from appliance.management.audit.entry import Entry, Outcome, text_of
from appliance.management.audit.findings import Wrong
from appliance.management.audit.verifying import MOST_TOLD, RETENTION, verify
from tests.unit.management.audit.written import TIME, Written, written


def found(log: Written, *heads: object) -> list[tuple[Wrong, str, int, int]]:
    report = log.verify(*heads)  # type: ignore[arg-type]
    return [(each.wrong, each.file, each.line, each.entry) for each in report.findings]


def test_a_log_as_it_was_written_is_good() -> None:
    log = written(3, 4, 1)
    report = log.verify(log.head(), written(3, 2).head())
    assert (report.good, report.segments, report.entries, report.first, report.last) == (True, 3, 8, 1, 8)
    assert not report.notes


def test_an_entry_that_was_edited() -> None:
    log = written(3, 4)
    log.lines["2.audit"][2] = log.lines["2.audit"][2].replace(b'"done"', b'"failed"')
    assert found(log) == [(Wrong.EDITED, "2.audit", 3, 5)]


def test_an_entry_that_was_edited_with_its_hash() -> None:
    """The one behind it does not fit any more."""
    log = written(4)
    text = text_of(Entry("reload", Outcome.FAILED), 2, TIME)
    before = bytes.fromhex(log.lines["1.audit"][1][:64].decode())
    log.lines["1.audit"][2] = line_of(next_hash(ENTRY_LABEL, before, text), text)[:-1]
    assert found(log) == [(Wrong.EDITED, "1.audit", 4, 3)]


@pytest.mark.parametrize("line", [1, 2, 3])
def test_an_entry_that_was_removed(line: int) -> None:
    log = written(4)
    del log.lines["1.audit"][line]
    assert found(log) == [(Wrong.REMOVED, "1.audit", line + 1, line)]


def test_entries_that_were_removed_from_the_end_of_a_segment() -> None:
    log = written(4, 2)
    del log.lines["1.audit"][3:]
    assert found(log) == [(Wrong.REMOVED, "2.audit", 1, 3)]
    assert "entries 3 to 4 are missing" in log.verify().findings[0].sentence


def test_an_entry_that_was_put_in() -> None:
    log, other = written(4), written(4, what="stop")
    log.lines["1.audit"].insert(3, other.lines["1.audit"][2])
    assert found(log) == [(Wrong.INSERTED, "1.audit", 4, 2), (Wrong.EDITED, "1.audit", 4, 2)]


def test_an_entry_that_was_put_in_so_that_it_fits() -> None:
    log = written(4)
    text = text_of(Entry("stop", Outcome.DONE), 3, TIME)
    before = bytes.fromhex(log.lines["1.audit"][2][:64].decode())
    log.lines["1.audit"].insert(3, line_of(next_hash(ENTRY_LABEL, before, text), text)[:-1])
    assert found(log) == [(Wrong.INSERTED, "1.audit", 5, 3)]


def test_entries_that_change_places() -> None:
    log = written(5)
    lines = log.lines["1.audit"]
    lines[2], lines[3] = lines[3], lines[2]
    assert found(log) == [(Wrong.REORDERED, "1.audit", 4, 2)]


def test_an_entry_that_is_there_twice() -> None:
    log = written(5)
    log.lines["1.audit"].insert(4, log.lines["1.audit"][2])
    assert found(log) == [(Wrong.DUPLICATED, "1.audit", 5, 2)]


def test_a_segment_that_was_removed() -> None:
    log = written(2, 3, 2)
    del log.lines["2.audit"]
    assert found(log) == [(Wrong.SEGMENT_REMOVED, "3.audit", 0, 3)]
    assert "segment 2 missing before this one, with entries 3 to 5" in log.verify().findings[0].sentence


def test_the_first_segment_that_was_removed() -> None:
    log = written(2, 3)
    del log.lines["1.audit"]
    assert found(log) == [(Wrong.SEGMENT_REMOVED, "2.audit", 0, 0)]


def test_an_end_that_was_cut_off_shows_by_a_head_that_a_peer_keeps() -> None:
    log = written(3, 4)
    head = log.head()
    del log.lines["2.audit"][3:]
    assert log.verify().good
    assert found(log, head) == [(Wrong.TRUNCATED, "2.audit", 0, 7)]


def test_a_log_that_its_holder_sealed_again_shows_by_a_head_that_a_peer_keeps() -> None:
    """All hashes fit; one deed is another one."""
    before = written(6)
    sealed = written(2)
    sealed.add(Entry("reload", Outcome.FAILED))
    for _ in range(5):
        sealed.add(Entry("reload", Outcome.DONE))
    assert sealed.verify().good
    assert [each.wrong for each in sealed.verify(before.head()).findings] == [Wrong.RESEALED]
    assert sealed.verify(written(2).head()).good, "what a head was before the change still holds"


def test_a_log_that_was_begun_anew_shows_by_a_head() -> None:
    assert found(written(9, log="0c" * 16), written(3).head()) == [(Wrong.RESEALED, "1.audit", 0, 0)]


def test_no_log_at_all() -> None:
    assert verify([]).good
    assert [each.wrong for each in verify([], [written(3).head()]).findings] == [Wrong.TRUNCATED]


def old_segments_removed() -> Written:
    """As retention does it: what goes is recorded first."""
    log = written(2, 3, 1)
    end = bytes.fromhex(log.lines["2.audit"][-1][:64].decode())
    log.add(Entry(RETENTION, Outcome.DONE, more={"segments": 2, "entries": 5, "end": end.hex()}))
    return log


def test_what_retention_removed_is_not_missing() -> None:
    log = old_segments_removed()
    assert log.verify().good, "it was interrupted before it removed anything"
    del log.lines["1.audit"]
    assert log.verify().good, "it was interrupted in between"
    del log.lines["2.audit"]
    report = log.verify(log.head(), written(2, 3).head(), written(2).head())
    assert (report.good, report.first, report.last) == (True, 6, 7)
    assert report.notes == ("a head is about entry 2, which is not here any more: it says nothing",)


def test_what_retention_removed_was_something_else() -> None:
    log = old_segments_removed()
    del log.lines["1.audit"], log.lines["2.audit"]
    assert found(log, written(2, 3, what="stop").head()) == [(Wrong.RESEALED, "3.audit", 0, 5)]
    del log.lines["3.audit"]
    log.lines |= written(2, 4, 2).lines
    del log.lines["1.audit"], log.lines["2.audit"]
    assert [each.wrong for each in log.verify().findings] == [Wrong.SEGMENT_REMOVED]


def test_a_beginning_that_was_changed() -> None:
    log = written(2, 2)
    log.lines["2.audit"][0] = log.lines["2.audit"][0].replace(b"T06", b"T07")
    assert found(log) == [(Wrong.EDITED, "2.audit", 1, 0)]
    whole = written(2, 2)
    whole.lines["2.audit"] = written(1, 3, 1).lines["2.audit"]
    assert Wrong.INSERTED in {each.wrong for each in whole.verify().findings}


def test_a_segment_of_another_log() -> None:
    log = written(2, 2)
    log.lines["2.audit"] = written(2, 2, log="0c" * 16).lines["2.audit"]
    assert (Wrong.INSERTED, "2.audit", 1, 0) in found(log)
    log = written(2, 2)
    log.lines["3.audit"] = log.lines["1.audit"]
    assert (Wrong.DUPLICATED, "3.audit", 1, 0) in found(log)


def test_bytes_that_are_no_entry() -> None:
    log = written(4)
    log.lines["1.audit"][2] = b"\0" * 40
    assert found(log) == [(Wrong.DAMAGED, "1.audit", 3, 0)]
    log = written(4)
    log.lines["1.audit"].insert(2, b"nothing")
    assert found(log) == [(Wrong.DAMAGED, "1.audit", 3, 0)]
    log.lines["1.audit"] = log.lines["1.audit"][1:]
    assert found(log)[0] == (Wrong.DAMAGED, "1.audit", 1, 0)


def test_an_unfinished_last_line_is_no_change_and_elsewhere_it_is() -> None:
    log = written(2, 2)
    whole = {name: b"".join(line + b"\n" for line in lines) for name, lines in log.lines.items()}
    report = verify([("1.audit", whole["1.audit"]), ("2.audit", whole["2.audit"] + b"12ab")])
    assert report.good
    assert report.notes == ("2.audit ends with an unfinished line (4 bytes): a write was interrupted",)
    report = verify([("1.audit", whole["1.audit"] + b"12ab"), ("2.audit", whole["2.audit"])])
    assert [(each.wrong, each.file) for each in report.findings] == [(Wrong.DAMAGED, "1.audit")]


def test_any_single_byte_that_is_changed_is_found() -> None:
    data = b"".join(line + b"\n" for line in written(3).lines["1.audit"])
    for at in range(len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        assert not verify([("1.audit", bytes(changed))]).good, at


@given(st.lists(st.sampled_from([*written(2, 2).lines["1.audit"], *written(1, 3).lines["2.audit"], b"", b"{}", b"x" * 70])))
def test_any_order_of_any_lines_is_judged(lines: list[bytes]) -> None:
    report = verify([("1.audit", b"".join(line + b"\n" for line in lines))])
    assert report.entries <= len(lines)


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert verify([("1.audit", data)]).entries == 0


def test_of_a_log_that_is_all_wrong_some_is_told() -> None:
    log = written(300)
    log.lines["1.audit"] = [line.replace(b"done", b"gone") for line in log.lines["1.audit"]]
    report = log.verify()
    assert (len(report.findings), report.more) == (MOST_TOLD, 200)
