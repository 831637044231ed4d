"""The journal on disk: what another process finds there."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.apply.journal import Journal
from appliance.errors import HostError
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
    (tmp_path / "journal").symlink_to("/dev/full")
    with pytest.raises(HostError, match="cannot be written"):
        journal.begin(STEPS)
    assert journal.state.generations == []
