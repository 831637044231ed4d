"""The book of scores on the disk: blocks hold when a node starts anew, and what it knew of members still counts.

mesh-LABEL/scores            as `knowledge.scores.document` says
mesh-LABEL/scores.damaged    one that could not be read, for whoever wants to look at it
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.errors import ApplianceError
from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.tasks import Tasks
from appliance.foundation.whole_files import write_whole
from appliance.knowledge.scores.book import Book
from appliance.knowledge.scores.document import document_of, read_document

log = get_logger("scores")

FILE: Final = "scores"
DAMAGED: Final = "scores.damaged"
MOST_BYTES: Final = 16 << 20
"""Of the file; as much as the book's bounds may come to."""
KEEP_SECONDS: Final = 5.0
"""Between two writes: a block that this node made itself is on the disk so soon."""
SAID_EVERY: Final = 300.0


class KeptBook:
    """The file of one book, below `folder`. `now` and `wall` are the book's clock and Unix seconds."""

    def __init__(self, folder: Path, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self.problem = ""
        """Why it is not kept, or was not read; "" if all is well."""
        self._folder = folder
        self._now = now
        self._wall = wall
        self._tasks = Tasks()
        self._gathered = Gathered(self._begin, KEEP_SECONDS)
        self._writing = asyncio.Lock()
        self._waiting: Book | None = None

    def read(self) -> Book:
        """The book that is there; an empty one if there is none, or it cannot be read (`problem`)."""
        try:
            with (self._folder / FILE).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            return read_document(data, self._now(), self._wall())
        except FileNotFoundError:
            return Book()
        except (OSError, ApplianceError) as error:
            self.problem = f"scores and blocks of peers were lost: {error}"
            log.error(  # noqa: TRY400  the file's fault
                "scores and blocks of peers cannot be read",
                reason=str(error),
                hint=f"see {DAMAGED}; block again whom you had blocked",
            )
            with suppress(OSError):
                (self._folder / FILE).replace(self._folder / DAMAGED)
            return Book()

    def soon(self, book: Book) -> None:
        """It has changed."""
        self._waiting = book
        self._gathered.soon()

    async def write(self, book: Book) -> None:
        """It is on the disk when this returns, unless there is a `problem`."""
        async with self._writing:  # what is newer is not overwritten by what is older
            self._waiting = None
            document = document_of(book, self._now(), self._wall())
            try:
                await asyncio.to_thread(_keep, self._folder / FILE, document)
                self.problem = ""
            except OSError as error:
                self.problem = f"scores and blocks of peers cannot be kept: {error}"
                if once_per(SAID_EVERY, "scores cannot be kept"):
                    log.error("scores and blocks of peers cannot be kept", reason=str(error), hint="is the disk full?")  # noqa: TRY400

    async def close(self) -> None:
        """Write what is not written yet, and end."""
        self._gathered.cancel()
        await self._tasks.close()
        if self._waiting is not None:
            await self.write(self._waiting)

    def _begin(self) -> None:
        if self._waiting is not None:
            self._tasks.spawn(self.write(self._waiting), "keep scores")


def _keep(path: Path, document: object) -> None:
    write_whole(path, json.dumps(document, separators=(",", ":")).encode())
