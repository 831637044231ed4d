"""A disk that fills up while files arrive: a small tmpfs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.files.errors import TransferRefused
from appliance.files.inbox import Inbox
from appliance.files.sending import Sent
from appliance.transfer.faults import Reason
from tests.unit.files.joined import contents, random_file, send

pytestmark = pytest.mark.netns  # root may mount

MB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("taken", [0, 4 * MB - 96 * 1024], ids=["a part fits", "next to nothing fits"])
def test_what_arrived_is_kept_and_it_goes_on_when_there_is_room(taken: int, small_disk: Path, out: Path) -> None:
    if taken:
        random_file(small_disk / "taken", taken)
    for number in range(3):
        random_file(out / f"small {number}", 100)
    random_file(out / "large", 6 * MB)
    inbox = Inbox(small_disk / "in")
    sent, received = send([out], inbox)
    for outcome in (sent, received):
        assert isinstance(outcome, TransferRefused)
        assert outcome.reason is Reason.NO_ROOM
        assert outcome.retryable
    inbox.close()
    subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
    inbox = Inbox(small_disk / "in")
    sent, _ = send([out], inbox)
    inbox.close()
    assert isinstance(sent, Sent)
    assert sent.there >= (0 if taken else 3 * MB)
    assert contents(small_disk / "in" / "left" / "out") == contents(out)
