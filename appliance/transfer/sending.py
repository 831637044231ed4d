"""The sender's side, pure: what the receiver says is judged here, and here it is known which chunk of which file is next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.frames import (
    MAX_SMALL_BYTES,
    Entries,
    Failed,
    Frame,
    FrameKind,
    Have,
    Offer,
    Sealed,
    Word,
)
from appliance.transfer.manifest import Entry, Manifest, encode_entry
from appliance.transfer.tree import CHUNK_BYTES, Tree, chunks_of

_BEGINNING: Final = (-1, 0)


class Answered(NamedTuple):
    """The receiver said what it has: files may follow."""

    there: int
    """Bytes that need not be sent."""


class OnDisk(NamedTuple):
    """So much is on the receiver's disk, whatever happens there: files before `file`, and `chunks` of that one."""

    file: int
    chunks: int


class Done(NamedTuple):
    """Everything is in its place."""


class Refused(NamedTuple):
    """The receiver gave up."""

    reason: Reason
    text: str


Event = Answered | OnDisk | Done | Refused


class Sending:
    """One transfer of one manifest. After a TransferFault it must not be used again."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._trees: dict[int, Tree] = {}
        self._ready = self._all_sent = False
        self._sent = self._sealed = _BEGINNING
        """Up to where: a file, and how many of its chunks."""

    def offer(self) -> Iterator[Offer | Entries]:
        """The first frames."""
        yield Offer(len(self._manifest), self._manifest.size)
        together: list[Entry] = []
        size = 0
        for entry in self._manifest:
            needed = len(encode_entry(entry))
            if size + needed > MAX_SMALL_BYTES:
                yield Entries(tuple(together))
                together, size = [], 0
            together.append(entry)
            size += needed
        if together:
            yield Entries(tuple(together))

    def handle(self, frame: Frame) -> Event | None:
        """What a frame of the receiver means; None for nothing new. Raises TransferFault."""
        match frame:
            case Failed(reason, text):
                return Refused(reason, text)
            case Have(file, tree) if not self._ready:
                self._have(file, tree)
                return None
            case Sealed(file, chunks) if self._sealed <= (file, chunks) <= self._sent:
                self._sealed = (file, chunks)
                return OnDisk(file, chunks)
            case Word(FrameKind.ALIVE):
                return None
            case Word(FrameKind.READY) if not self._ready:
                self._ready = True
                return Answered(sum(map(self._there, self._trees)))
            case Word(FrameKind.FINISHED) if self._all_sent:
                return Done()
        raise TransferFault(Reason.NOT_UNDERSTOOD, f"{type(frame).__name__} that cannot be true")

    def wanted(self) -> Iterator[tuple[int, Tree]]:
        """The files to send, in order, each with what the receiver has of it. Once READY came."""
        assert self._ready
        for file, entry in enumerate(self._manifest):
            tree = self._trees.get(file)
            if entry.is_file and (tree is None or tree.chunks < chunks_of(entry.size)):
                yield file, tree or Tree()

    def sent(self, file: int, chunks: int) -> None:
        """So much of that file has been sent, and of all files before it everything."""
        self._sent = (file, chunks)

    def finished(self) -> None:
        """FINISH has been sent."""
        self._sent, self._all_sent = (len(self._manifest), 0), True

    def _have(self, file: int, tree: Tree) -> None:
        if file >= len(self._manifest) or not self._manifest[file].is_file or file in self._trees:
            raise TransferFault(Reason.NOT_UNDERSTOOD, "the receiver has a file that was not offered, or has it twice")
        if tree.chunks > chunks_of(self._manifest[file].size):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "the receiver has more of a file than there is")
        self._trees[file] = tree

    def _there(self, file: int) -> int:
        return min(self._trees[file].chunks * CHUNK_BYTES, self._manifest[file].size)
