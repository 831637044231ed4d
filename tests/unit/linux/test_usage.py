from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from appliance.linux.usage import room, usage


def test_what_this_process_uses() -> None:
    found = usage(os.getpid())
    assert found is not None
    assert found.memory > 1 << 20
    assert found.most_descriptors == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    before = found.descriptors
    ends = os.pipe()
    after = usage(os.getpid())
    for end in ends:
        os.close(end)
    assert after is not None
    assert before is not None
    assert after.descriptors == before + 2


def test_before_linux_6_2_descriptors_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = tmp_path / str(os.getpid())
    (process / "fd").mkdir(parents=True)
    for number in range(3):
        (process / "fd" / str(number)).touch()
    (process / "statm").write_text("100 7 5 1 0 50 0\n")
    listed = os.stat_result((0o40500, 1, 1, 2, 0, 0, 0, 0, 0, 0))  # st_size is 0
    monkeypatch.setattr(Path, "stat", lambda self, **_: listed)
    found = usage(os.getpid(), tmp_path)
    assert found is not None
    assert (found.memory, found.descriptors) == (7 * os.sysconf("SC_PAGE_SIZE"), 3)


@pytest.mark.parametrize("text", ["", "x y", "1"])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "statm").write_text(text)
    assert usage(7, tmp_path) is None
    assert usage(8, tmp_path) is None


def test_the_room_on_a_disk(tmp_path: Path) -> None:
    found = room(tmp_path)
    assert found is not None
    assert 0 < found.free <= found.total
    assert room(tmp_path / "nothing") is None
