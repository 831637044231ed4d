"""Segments on a real disk: written, taken up after whatever happened, and removed when they are old."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.findings import Report, Wrong
from appliance.management.audit.verifying import verify
from appliance.runtime.audit import segment_writer
from appliance.runtime.audit.folder import segments, with_texts
from appliance.runtime.audit.reading import entries_in
from appliance.runtime.audit.segment_writer import SEGMENT_SECONDS, Keep, SegmentWriter, Stamped

NODE = "llp1:node"
NOON = 1_800_000_000.0
ALL = Keep(1 << 30, 1e9)


def writer(folder: Path, keep: Keep = ALL, node: str = NODE) -> SegmentWriter:
    made = SegmentWriter(folder, node, keep, lambda count: b"\x0b" * count)
    made.open(NOON)
    return made


def put(log: SegmentWriter, *whats: str, wall: float = NOON) -> None:
    log.append([Stamped(Entry(what, Outcome.DONE), wall) for what in whats], wall)


def report(folder: Path) -> Report:
    return verify(with_texts(folder))


def whats(folder: Path) -> list[str]:
    return [entry["what"] for _, data in with_texts(folder) for entry in entries_in(data)]


def last_file(folder: Path) -> Path:
    return segments(folder)[-1].path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "node.audit"


def test_what_is_written_verifies_and_is_nobody_elses(folder: Path) -> None:
    log = writer(folder)
    put(log, "a", "b")
    put(log, "c")
    assert report(folder).good
    assert whats(folder) == ["a", "b", "c"]
    assert (folder.stat().st_mode & 0o777, last_file(folder).stat().st_mode & 0o777) == (0o700, 0o600)
    head = log.head(NOON)
    assert head is not None
    assert verify(with_texts(folder), [head]).good


def test_it_goes_on_where_it_ended(folder: Path) -> None:
    for what in ("a", "b"):
        log = writer(folder)
        put(log, what)
        log.close()
    assert (report(folder).good, whats(folder), len(segments(folder))) == (True, ["a", "b"], 1)


def test_two_nodes_do_not_write_into_one_log(folder: Path) -> None:
    log = writer(folder)
    with pytest.raises(OSError, match="another node writes there"):
        writer(folder)
    log.close()
    writer(folder)


def test_a_folder_that_others_may_read_is_not_used(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(PermissionError):
        writer(folder)


@pytest.mark.parametrize("left", [1, 64, 65, 70, -1])
def test_a_last_line_that_was_interrupted_is_cut_off_and_told(folder: Path, left: int) -> None:
    log = writer(folder)
    put(log, "a")
    size = last_file(folder).stat().st_size
    put(log, "b")
    log.close()
    os.truncate(last_file(folder), size + left if left > 0 else last_file(folder).stat().st_size - 1)
    again = writer(folder)
    put(again, "c")
    assert whats(folder) == ["a", "log.unfinished", "c"]
    assert report(folder).good
    assert not again.damage


def test_zeros_that_the_power_left_are_cut_off(folder: Path) -> None:
    log = writer(folder)
    put(log, "a")
    log.close()
    with last_file(folder).open("ab") as file:
        file.write(bytes(500))
    put(writer(folder), "b")
    assert (whats(folder), report(folder).good) == (["a", "log.unfinished", "b"], True)


@pytest.mark.parametrize("content", [b"", b"0123"])
def test_a_segment_that_was_just_begun(folder: Path, content: bytes) -> None:
    log = writer(folder)
    put(log, "a")
    log.close()
    (folder / "00000002.audit").write_bytes(content)
    put(writer(folder), "b")
    assert (report(folder).good, whats(folder)[-1]) == (True, "b")


def test_a_log_that_was_changed_is_left_as_it_is_and_told(folder: Path) -> None:
    log = writer(folder)
    put(log, "a", "b", "c")
    log.close()
    path = last_file(folder)
    path.write_bytes(path.read_bytes().replace(b'"what":"b"', b'"what":"x"'))
    again = writer(folder)
    put(again, "d")
    assert "00000001.audit:3" in again.damage
    assert whats(folder) == ["a", "x", "c", "log.damaged", "d"]
    assert [(each.wrong, each.file, each.line) for each in report(folder).findings] == [(Wrong.EDITED, "00000001.audit", 3)]


def test_a_file_that_is_no_segment_does_not_stop_the_node(folder: Path) -> None:
    log = writer(folder)
    put(log, "a")
    log.close()
    (folder / "00000002.audit").write_bytes(b"rubbish\n")
    again = writer(folder)
    put(again, "b")
    assert again.damage
    assert not report(folder).good
    again.close()
    put(writer(folder), "c")
    assert whats(folder)[-1] == "c"


def test_another_identity_goes_on_with_the_log(folder: Path) -> None:
    log = writer(folder)
    put(log, "a")
    log.close()
    put(writer(folder, node="llp1:new"), "b")
    found = report(folder)
    assert (found.good, found.node, whats(folder)) == (True, "llp1:new", ["a", "node.identity", "b"])


def test_a_segment_that_is_large_or_old_is_followed_by_another(folder: Path) -> None:
    log = writer(folder, Keep(1 << 20, 1e9))
    for _ in range(3):
        put(log, *["a" * 100] * 400)
    assert len(segments(folder)) == 2
    put(log, "b", wall=NOON + SEGMENT_SECONDS)
    assert len(segments(folder)) == 3
    assert report(folder).good


def test_the_oldest_go_when_there_is_too_much_and_it_is_recorded(folder: Path) -> None:
    log = writer(folder, Keep(1 << 20, 1e9))
    for _ in range(40):
        put(log, *["a" * 100] * 200)
        log.remove_old(NOON)
    found = report(folder)
    assert (found.good, found.first > 1, "log.retention" in whats(folder)) == (True, True, True)
    assert sum(each.path.stat().st_size for each in segments(folder)) <= 1.2 * (1 << 20)
    log.close()
    put(writer(folder), "b")
    assert report(folder).good


def test_a_clock_that_is_wrong_by_years_costs_one_segment(folder: Path) -> None:
    log = writer(folder, Keep(1 << 20, 86_400.0))
    for _ in range(4):
        put(log, *["a" * 100] * 800)
    assert log.remove_old(NOON + 1e9)
    assert (len(segments(folder)), segments(folder)[0].number, report(folder).good) == (4, 2, True)


def test_a_disk_that_takes_half_a_line_takes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = writer(folder)
    put(log, "a")

    def half(fd: int, data: bytes) -> None:
        os.write(fd, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(segment_writer, "write_all", half)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                put(log, "b", "c")
    put(log, "d")
    assert (report(folder).good, whats(folder)) == (True, ["a", "d"])


def test_after_a_disk_that_failed_the_log_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = writer(folder)
    put(log, "a")

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            put(log, "b")
    put(log, "c")
    assert (report(folder).good, whats(folder)) == (True, ["a", "b", "c"]), "what is there counts, whatever the disk said"
