"""The trial on disk: what the next process, and the next boot, find there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import ExitCode, HostError
from appliance.planning.trials import Refusal, Trial, Why
from appliance.runtime.host.trial_file import LONGEST_NAME, TrialDamaged, TrialFile, all_files

REFUSED = Trial(None, (Refusal("abc", Why.UNCONFIRMED, 5.0),), "text")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_the_next_process_knows(kept: Path) -> None:
    TrialFile.of([]).keep(REFUSED)
    assert TrialFile.of([]).trial == REFUSED
    assert [file.trial for file in all_files()] == [REFUSED]
    [file] = kept.iterdir()
    assert (file.name, file.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == ("system.trial", 0o600, 0o700)


def test_nothing_is_left_of_what_is_settled(kept: Path) -> None:
    assert TrialFile.of([]).trial.quiet
    assert not kept.exists()
    file = TrialFile.of([])
    file.keep(REFUSED)
    file.keep(Trial())
    assert list(kept.iterdir()) == []


def test_each_place_has_its_own() -> None:
    places = [[], [Path("/a/profile.yaml")], [Path("/a/b.yaml"), Path("/c.yaml")], [Path("/" + "d" * LONGEST_NAME)]]
    files = {TrialFile.of(paths).path for paths in places}
    assert len(files) == len(places)
    assert all(len(file.name) < 255 for file in files)


@pytest.mark.parametrize(
    "how",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-9]),
        lambda file: file.write_bytes(b"[" * 100_000),
        lambda file: file.write_bytes(file.read_bytes().replace(b'"version": 1', b'"version": 7')),
        lambda file: file.chmod(0o622),
        lambda file: (file.rename(file.with_name("other")), file.symlink_to("other")),
        lambda file: (file.unlink(), os.mkfifo(file, 0o600)),
    ],
    ids=["empty", "half", "deep", "version", "mode", "symlink", "fifo"],
)
def test_what_cannot_be_believed_is_kept_and_said(kept: Path, how: Callable[[Path], object]) -> None:
    TrialFile.of([]).keep(REFUSED)
    how(kept / "system.trial")
    before = (kept / "system.trial").lstat().st_ino
    with pytest.raises(TrialDamaged) as caught:
        TrialFile.of([])
    assert caught.value.exit_code is ExitCode.WITHHELD
    assert (kept / "system.trial").lstat().st_ino == before


def test_what_cannot_be_written_is_not_known(kept: Path) -> None:
    kept.mkdir()
    (kept / "system.new").mkdir()
    file = TrialFile.of([])
    with pytest.raises(HostError, match="cannot be written"):
        file.keep(REFUSED)
    assert file.trial.quiet


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_wrote_is_not_believed(kept: Path) -> None:
    TrialFile.of([]).keep(REFUSED)
    os.chown(kept / "system.trial", 65534, 65534)
    with pytest.raises(TrialDamaged, match="user 65534 owns it"):
        TrialFile.of([])
