"""Where images are kept: folders that are made once. Each gets a name of what it is made of, and appears when it is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.lab.guests.image import IN_USE
from appliance.linux import locks

NEEDED_BYTES: Final = 3 << 30
"""What making an image takes at most: a Debian, a copy of it, and a disk."""
_GROWING: Final = "growing-"


def place() -> Path:
    """The folder of all images: ~/.cache/appliance/guests, or below $XDG_CACHE_HOME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "appliance/guests"


def digest(*parts: str | bytes) -> str:
    """A short name for what something is made of. Parts do not run into each other."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:12]


class Cache:
    """The folder with the images. To be used by one process at a time: see `alone`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self, say: Callable[[str], None]) -> Iterator[None]:
        """Nobody else makes or removes images meanwhile. Waits for whoever does, and says so. Raises HostError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / "lock"
        held = locks.try_hold(lock)
        if held is None:
            say("waiting for another lab that makes an image")
            with locks.held(lock):
                self._remove_remains()
                yield
            return
        try:
            self._remove_remains()
            yield
        finally:
            os.close(held)

    def kept(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of this name. Unless it is there, `make` fills an empty one; nothing stays if that fails.

        Raises HostError."""
        path = self.folder / name
        if path.exists():
            os.utime(path)
            return path
        self._check_room()
        growing = self.folder / f"{_GROWING}{name}"
        growing.mkdir()
        try:
            make(growing)
            growing.rename(path)
        except OSError as error:
            raise HostError(f"{path.name} cannot be made: {error}", hint=f"look at the disk of {self.folder}") from error
        finally:
            shutil.rmtree(growing, ignore_errors=True)
        return path

    def prune(self, pattern: str, keep: int) -> list[str]:
        """Remove the folders that match, but for the `keep` that were used last and those that guests run from. Their names."""
        removed = []
        for path in sorted(self.folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[keep:]:
            held = locks.try_hold(path / IN_USE)
            if held is not None:
                try:
                    shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(held)
                removed.append(path.name)
        return removed

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < NEEDED_BYTES:
            raise HostError(
                f"{self.folder} has {free >> 20} MB left; making an image takes {NEEDED_BYTES >> 20}",
                hint="make room on that disk, or name a place on another one: XDG_CACHE_HOME=/elsewhere",
            )

    def _remove_remains(self) -> None:
        """Of whoever was killed while it made an image."""
        for remains in self.folder.glob(f"{_GROWING}*"):
            shutil.rmtree(remains, ignore_errors=True)
