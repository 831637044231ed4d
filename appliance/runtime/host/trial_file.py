"""Where a trial is written down: one file for each place that a node starts from, in a folder that outlives reboots.

What it says decides what root brings into force, so a file that somebody else may have written, or that is damaged, is an error.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from appliance.control.callers import is_ours
from appliance.errors import ApplianceError, ExitCode, HostError
from appliance.foundation import places
from appliance.planning import trials
from appliance.planning.trials import Trial

SYSTEM = "system"
LONGEST_NAME = 200
MOST_BYTES = 64 << 20


class TrialDamaged(ApplianceError):
    """What is known of profiles on trial cannot be believed."""

    exit_code = ExitCode.WITHHELD


class TrialFile:
    """The trial of the node that starts from `paths` (none: the system's profile). Each change is on disk when it returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trial = _read(path)

    @classmethod
    def of(cls, paths: Sequence[Path]) -> TrialFile:
        """The one of a node that starts from these profiles. Raises TrialDamaged."""
        return cls(places.kept_dir() / f"{_name(paths)}.trial")

    def keep(self, trial: Trial) -> None:
        """From now on this is what is known. Raises HostError when it cannot be written; then it is not known either."""
        if trial == self.trial:
            return
        try:
            if trial.quiet:
                self.path.unlink(missing_ok=True)
            else:
                self._write(json.dumps(trials.to_json(trial)).encode())
            _sync(self.path.parent)
        except OSError as error:
            raise HostError(
                f"{self.path} cannot be written: {error.strerror}",
                hint="what is to be confirmed must outlive a restart: make room there, or name another place in $STATE_DIRECTORY",
            ) from error
        self.trial = trial

    def _write(self, data: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        new.replace(self.path)


def all_files() -> Iterator[TrialFile]:
    """Those of all nodes of this host. Raises TrialDamaged."""
    for path in sorted(places.kept_dir().glob("*.trial")):
        yield TrialFile(path)


def _name(paths: Sequence[Path]) -> str:
    if not paths:
        return SYSTEM
    text = "\0".join(str(path.absolute()) for path in paths)
    name = quote(text, safe="")
    return name if len(name) <= LONGEST_NAME else f"{name[-LONGEST_NAME:]}-{zlib.crc32(text.encode()):08x}"


def _read(path: Path) -> Trial:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Trial()
    except PermissionError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}", hint="run it as the user who runs the node") from error
    except OSError as error:
        raise _damaged(path, str(error.strerror)) from error
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not is_ours(found.st_uid) or found.st_mode & 0o022:
            raise _damaged(path, f"user {found.st_uid} owns it, with mode {found.st_mode & 0o777:04o}")
        try:
            return trials.from_json(json.loads(file.read(MOST_BYTES)))
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise _damaged(path, str(error) or type(error).__name__) from error


def _damaged(path: Path, reason: str) -> TrialDamaged:
    return TrialDamaged(
        f"{path}, which says what profiles nobody confirmed, cannot be believed: {reason}",
        hint="look at the profile that would be used (`appliance plan`); if it is the right one, remove the file",
    )


def _sync(folder: Path) -> None:
    if folder.exists():
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
