"""What members have signed, on the disk, so that a node that starts knows it without asking anybody: rows above all.

mesh-LABEL/rows    each behind its length (u16); signed, so whatever is damaged is left out when it is judged
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.tasks import Tasks
from appliance.foundation.whole_files import write_whole

log = get_logger("members")

FILE: Final = "rows"
KEEP_SECONDS: Final = 30.0
"""Between two writes, while rows change."""
SAID_EVERY: Final = 300.0
_LENGTH: Final = 2


def read_rows(folder: Path, file: str = FILE) -> list[bytes]:
    """Those in the file of that name, up to the first that is not whole; none if it cannot be read."""
    try:
        data = (folder / file).read_bytes()
    except OSError:
        return []
    found, at = [], 0
    while at + _LENGTH <= len(data):
        end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
        if end > len(data):
            break
        found.append(data[at + _LENGTH : end])
        at = end
    return found


def keep_rows(folder: Path, rows: Iterable[bytes], file: str = FILE) -> None:
    """In the place of those before, as a whole or not at all. Raises OSError."""
    write_whole(folder / file, b"".join(len(each).to_bytes(_LENGTH, "big") + each for each in rows))


class KeptRows:
    """The rows of a running node, written in a thread. `known()` gives them, `file` is its name, `seconds` how often at most."""

    def __init__(
        self, folder: Path, known: Callable[[], Sequence[bytes]], file: str = FILE, seconds: float = KEEP_SECONDS
    ) -> None:
        self.problem = ""
        """Why the last writing failed; "" if it did not."""
        self._folder, self._file = folder, file
        self._known = known
        self._tasks = Tasks()
        self._gathered = Gathered(self._begin, seconds)
        self._written = hash(())
        """Of what the file has: the rows themselves may be megabytes."""

    def soon(self) -> None:
        """Something changed."""
        self._gathered.soon()

    async def close(self, *, write: bool = True) -> None:
        """Write what is not written yet, unless the file has more than is known, and end."""
        self._gathered.cancel()
        await self._tasks.close()
        if write:
            await self._write()

    def _begin(self) -> None:
        self._tasks.spawn(self._write_now(), f"keep {self._file}")

    async def _write_now(self) -> None:
        await self._write()
        if self.problem:
            self._gathered.soon()

    async def _write(self) -> None:
        rows = self._known()
        digest = hash(tuple(rows))
        if digest == self._written:
            return
        try:
            await asyncio.to_thread(keep_rows, self._folder, rows, self._file)
            self._written, self.problem = digest, ""
        except OSError as error:
            self.problem = str(error)
            if once_per(SAID_EVERY, f"{self._file} cannot be kept"):
                said = {"file": self._file, "reason": str(error)}
                log.error("what members say of themselves cannot be kept", **said, hint="is the disk full?")  # noqa: TRY400
