"""A disk that fills up under the log: a small tmpfs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.verifying import verify
from appliance.runtime.audit.folder import with_texts
from appliance.runtime.audit.log import AuditLog, NotRecorded
from appliance.runtime.audit.reading import entries_in
from appliance.runtime.audit.segment_writer import Keep, SegmentWriter

pytestmark = pytest.mark.netns  # root may mount


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


async def test_what_was_promised_is_there_and_it_goes_on_when_there_is_room(small_disk: Path) -> None:
    folder = small_disk / "node.audit"
    log = AuditLog(SegmentWriter(folder, "llp1:node", Keep(1 << 30, 1e9), os.urandom))
    await log.open()
    promised = await fill(log)
    assert "No space left" in log.problem
    assert verify(with_texts(folder)).entries == promised > 50
    make_room(small_disk)
    await log.flush()
    assert log.problem == ""
    await log.close()
    assert verify(with_texts(folder)).good
    whats = [entry["what"] for _, data in with_texts(folder) for entry in entries_in(data)]
    assert whats == [f"deed{number}" for number in range(promised + 1)], "the one that was refused waited"


async def fill(log: AuditLog) -> int:
    """How many entries were promised to be there."""
    for number in range(10_000):
        try:
            await log.record(Entry(f"deed{number}", Outcome.DONE, target="x" * 150))
        except NotRecorded:
            return number
    raise AssertionError("the disk has room without end")


def make_room(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1m", place], check=True)
