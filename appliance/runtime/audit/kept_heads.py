"""Heads of other nodes on the disk: a file for each node in the folder `heads`, in which they stand one behind the other as they
travelled.

What cannot be written is kept in memory, and written with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.foundation.whole_files import write_whole
from appliance.management.audit.head import SIGNED_BYTES, HeadInvalid, SignedHead, read_signed
from appliance.management.audit.keeping import MOST_HEADS, NodeHeads, Taken
from appliance.runtime.audit.folder import HEADS

log = get_logger("audit")

MOST_NODES: Final = 256
"""Nodes whose heads are kept: 15 MB at most. Others are refused: nobody pushes out what is kept of somebody else."""
SUFFIX: Final = ".heads"
PREFIX: Final = "llp1:"


class KeptHeads:
    """Those in `folder`, which is the log's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / HEADS
        self._nodes: dict[str, NodeHeads] = {}
        self._writing = asyncio.Lock()
        self._tasks = Tasks()

    async def open(self) -> None:
        """Read what is there."""
        try:
            self._nodes = await asyncio.to_thread(lambda: dict(self._read()))
        except OSError as error:
            log.warning("heads of other nodes cannot be read", reason=str(error))

    async def close(self) -> None:
        """All is on the disk, if that takes it."""
        await self._tasks.settle()
        await self._tasks.close()

    def of(self, node: str) -> NodeHeads:
        """Those of one node."""
        return self._nodes.get(node) or NodeHeads()

    def all(self) -> Iterator[SignedHead]:
        """Those of all nodes, by node."""
        for node in sorted(self._nodes):
            yield from self._nodes[node].all

    def take(self, signed: SignedHead) -> Taken:
        """One came from its node. It is on the disk soon."""
        kept = self._nodes.get(signed.node)
        if kept is None:
            if len(self._nodes) >= MOST_NODES:
                return Taken.FULL
            kept = self._nodes[signed.node] = NodeHeads()
        taken = kept.take(signed)
        if taken not in {Taken.KNOWN, Taken.FULL}:
            self._tasks.spawn(self._write(signed.node, kept), "keep a head")
        return taken

    async def _write(self, node: str, kept: NodeHeads) -> None:
        async with self._writing:
            data = b"".join(each.pack() for each in kept.all)
            try:
                await asyncio.to_thread(self._write_file, node, data)
            except OSError as error:
                log.warning("a head of another node is not on the disk", node=node, reason=str(error))

    def _write_file(self, node: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(self._folder / f"{node.removeprefix(PREFIX)}{SUFFIX}", data)

    def _read(self) -> Iterator[tuple[str, NodeHeads]]:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"*{SUFFIX}"))[:MOST_NODES]:
            with path.open("rb") as file:
                data = file.read(MOST_HEADS * SIGNED_BYTES)
            heads = [data[at : at + SIGNED_BYTES] for at in range(0, len(data), SIGNED_BYTES)]
            try:
                found = NodeHeads(read_signed(each) for each in heads)
            except HeadInvalid:
                log.warning("heads of another node are damaged on the disk", file=str(path))
                continue
            if found.all and path.stem == found.all[0].node.removeprefix(PREFIX):
                yield found.all[0].node, found
