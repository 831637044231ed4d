"""The journal on disk: what another process finds there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.apply.journal import Journal, JournalDamaged
from appliance.errors import ExitCode, HostError
from tests.unit.apply.test_records import STEPS


def opened(directory: Path, boot_id: str = "this boot") -> Journal:
    return Journal(directory, boot_id=boot_id, netns=7)


def test_the_next_process_knows_what_is_in_force(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    generation = journal.begin(STEPS)
    journal.will(generation, 0)

    found = opened(tmp_path).state
    assert found.in_force == STEPS[:1]
    assert found == journal.state


def test_a_torn_line_is_cut_off_before_the_next(tmp_path: Path) -> None:
    generation = (journal := opened(tmp_path)).begin(STEPS)
    journal.will(generation, 0)
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'01234567 {"kind":"wi')

    again = opened(tmp_path)
    again.will(again.state.generations[0], 1)

    assert opened(tmp_path).state.in_force == STEPS


def test_nothing_is_left_when_all_is_undone(tmp_path: Path) -> None:
    generation = (journal := opened(tmp_path)).begin(STEPS)
    journal.will(generation, 0)
    journal.applied(generation)
    journal.undoing(1)
    journal.undone(generation, 0)
    journal.reverted(generation)
    assert list(tmp_path.iterdir()) == []


def test_generations_are_numbered_on(tmp_path: Path) -> None:
    first = (journal := opened(tmp_path)).begin(STEPS)
    journal.applied(first)
    second = journal.begin(STEPS, confirm_within=60)
    journal.reverted(second)
    assert journal.begin(STEPS).number == 2
    assert [generation.number for generation in opened(tmp_path).state.generations] == [1, 2]


def test_another_boot_makes_it_void_and_is_written_over(tmp_path: Path) -> None:
    opened(tmp_path).begin(STEPS)
    journal = opened(tmp_path, "the next boot")
    assert journal.state.generations == []
    assert journal.begin(STEPS).number == 1
    assert len(opened(tmp_path, "the next boot").state.generations) == 1


def test_another_namespace_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).begin(STEPS)
    with pytest.raises(HostError, match="another network namespace"):
        Journal(tmp_path, boot_id="this boot", netns=8)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    opened(tmp_path).begin(STEPS)
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_a_journal_that_cannot_be_written_stops_the_step(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    (tmp_path / "journal.new").mkdir()
    with pytest.raises(HostError, match="cannot be written"):
        journal.begin(STEPS)
    assert journal.state.generations == []


def damage_by(tmp_path: Path, how: Callable[[Path], object]) -> str:
    """Damage a journal in force; what is said of it. It is still there afterwards."""
    generation = (journal := opened(tmp_path)).begin(STEPS)
    journal.will(generation, 0)
    file = tmp_path / "journal"
    how(file)
    before = file.lstat().st_ino
    with pytest.raises(JournalDamaged) as caught:
        opened(tmp_path)
    assert caught.value.exit_code is ExitCode.WITHHELD
    assert "reboot" in caught.value.hint
    assert file.lstat().st_ino == before
    return caught.value.message


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda file: file.write_bytes(b""), "first line"),
        (lambda file: file.write_bytes(file.read_bytes()[:300]), "0 records where it says 2"),
        (lambda file: file.chmod(0o640), "mode 0640"),
        (lambda file: file.chmod(0o606), "mode 0606"),
        (lambda file: os.link(file, file.with_name("second")), "second name"),
        (lambda file: file.parent.chmod(0o777), "write its folder"),
        (lambda file: (file.rename(file.with_name("other")), file.symlink_to("other")), "cannot be read"),
        (lambda file: (file.unlink(), os.mkfifo(file, 0o600)), "not a regular file"),
        (lambda file: (file.unlink(), file.mkdir(0o700)), "not a regular file"),
    ],
    ids=["empty", "half", "group", "world", "linked", "folder", "symlink", "fifo", "directory"],
)
def test_a_journal_that_cannot_be_believed_is_kept(tmp_path: Path, how: Callable[[Path], object], said: str) -> None:
    assert said in damage_by(tmp_path, how)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_journal_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    assert "belongs to user 65534" in damage_by(tmp_path, lambda file: os.chown(file, 65534, 65534))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    assert "folder belongs to user 65534" in damage_by(tmp_path, lambda file: os.chown(file.parent, 65534, 65534))


def test_another_boot_makes_a_damaged_one_void_too(tmp_path: Path) -> None:
    generation = (journal := opened(tmp_path)).begin(STEPS)
    journal.will(generation, 0)
    file = tmp_path / "journal"
    file.write_bytes(file.read_bytes()[:-3])
    assert opened(tmp_path, "the next boot").state.generations == []


def test_what_a_crash_left_of_a_beginning_is_in_nobody_s_way(tmp_path: Path) -> None:
    (tmp_path / "journal.new").write_bytes(b"half")
    journal = opened(tmp_path)
    assert journal.state.generations == []
    generation = journal.begin(STEPS)
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    (tmp_path / "journal.new").write_bytes(b"half")
    journal.reverted(generation)
    assert list(tmp_path.iterdir()) == []
