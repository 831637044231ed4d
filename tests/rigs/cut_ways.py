"""A way to the database that is cut where a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"


class Way:
    """Passes on what comes, until `cut` is "answer": the next answer is lost with its connection; or "request": the next request
    is."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.cut = ""
        self.cuts = 0
        self.left: list[asyncio.StreamWriter] = []
        """The database's side of connections whose answer was lost, which may stay open there."""

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_unix_connection(self._target / NAME)
        asked = asyncio.get_running_loop().create_task(self._requests(reader, to_there, writer))
        with suppress(OSError):
            while octets := await there.read(65536):
                writer.write(octets)
        writer.close()
        asked.cancel()

    async def _requests(self, reader: asyncio.StreamReader, to_there: asyncio.StreamWriter, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65536):
            cut, self.cut = self.cut, ""
            if cut:
                self.cuts += 1
                writer.transport.abort()  # so the answer, if there will be one, reaches nobody
            if cut == "request":
                break
            to_there.write(octets)
            if cut:
                self.left.append(to_there)
                return
        to_there.close()


@asynccontextmanager
async def way_to(target: Path, folder: Path) -> AsyncIterator[Way]:
    """A socket in that folder, through which the database is reached whose socket is in `target`."""
    way = Way(target)
    server = await asyncio.start_unix_server(way.pass_on, folder / NAME)
    try:
        yield way
    finally:
        server.close()
        for left in way.left:
            left.close()
