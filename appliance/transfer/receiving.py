"""The receiver's side, pure: frames in, and for each what is to be done on the disk.

    OFFERED ─ all entries came ─▶ ANSWERING ─ ready() ─▶ BETWEEN ─ FILE ─▶ WITHIN ─ END, CHANGED ─▶ BETWEEN ─ FINISH ─▶ ENDED

Every number, length, hash and root is judged here, so what comes out can be done as it is.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.frames import (
    VERSION,
    Chunk,
    End,
    Entries,
    Failed,
    File,
    Frame,
    FrameKind,
    Have,
    Hole,
    Offer,
    Word,
)
from appliance.transfer.manifest import MAX_ENTRIES, Manifest
from appliance.transfer.tree import CHUNK_BYTES, Tree, chunks_of, leaf_of


class State(Enum):
    """Where a transfer is."""

    OFFERED = auto()
    ANSWERING = auto()
    BETWEEN = auto()
    WITHIN = auto()
    ENDED = auto()


class Judge(NamedTuple):
    """The offer is complete: say what is there already by `have`, then `ready`; or refuse it."""

    manifest: Manifest


class Begin(NamedTuple):
    """Chunks of this file follow, from the tree's end on."""

    file: int
    tree: Tree


class Write(NamedTuple):
    """Write this here, and say so by `written`."""

    offset: int
    data: bytes | memoryview
    leaf: bytes
    """The hash of the data, verified."""


class Skip(NamedTuple):
    """So many chunks of zeros: nothing is to be written, and that is to be said by `written`."""

    chunks: int


class Complete(NamedTuple):
    """All of the file came, and its root is right."""

    file: int
    root: bytes


class Discard(NamedTuple):
    """The file is none of any one moment: forget what came."""

    file: int


class Finish(NamedTuple):
    """Every file is complete or discarded: bring all to the disk, then say FINISHED."""


class Ended(NamedTuple):
    """The sender gave up."""

    reason: Reason
    text: str


Deed = Judge | Begin | Write | Skip | Complete | Discard | Finish | Ended


class Receiving:
    """One transfer, from its first frame. After a TransferFault it must not be used again."""

    def __init__(self) -> None:
        self.state = State.OFFERED
        self.manifest = Manifest()
        self._offer: Offer | None = None
        self._trees: dict[int, Tree] = {}
        self._file = -1
        """The file that came last."""
        self._tree = Tree()
        """What this file has so far."""

    @property
    def place(self) -> tuple[int, int]:
        """Where the transfer is: a file, and how many of its chunks came."""
        return (self._file, self._tree.chunks) if self.state is State.WITHIN else (self._file + 1, 0)

    def have(self, file: int, tree: Tree) -> Have:
        """So much of a file is on the disk already. The frame that says so."""
        assert self.state is State.ANSWERING
        self._trees[file] = tree
        return Have(file, tree)

    def ready(self) -> None:
        """Everything that is there was said."""
        assert self.state is State.ANSWERING
        self.state = State.BETWEEN

    def handle(self, frame: Frame) -> Deed | None:
        """What is to be done now; None for nothing. Raises TransferFault."""
        match self.state, frame:
            case _, Failed(reason, text):
                self.state = State.ENDED
                return Ended(reason, text)
            case State.OFFERED, Offer() if self._offer is None:
                return self._offered(frame)
            case State.OFFERED, Entries(entries) if self._offer is not None and entries:
                for entry in entries:
                    self.manifest.add(entry)
                return self._judged(self._offer)
            case State.BETWEEN, File(file):
                return self._begin(file)
            case State.WITHIN, Chunk(leaf, data):
                return self._chunk(leaf, data)
            case State.WITHIN, Hole(chunks):
                return self._hole(chunks)
            case State.WITHIN, End(root):
                return self._end(root)
            case State.WITHIN, Word(FrameKind.CHANGED):
                self.state = State.BETWEEN
                return Discard(self._file)
            case State.BETWEEN, Word(FrameKind.FINISH):
                self._nothing_left_out(len(self.manifest))
                self.state = State.ENDED
                return Finish()
        raise TransferFault(Reason.NOT_UNDERSTOOD, f"{type(frame).__name__} while {self.state.name}")

    def written(self, deed: Write | Skip) -> None:
        """It is done; of what failed the file's tree knows nothing."""
        if isinstance(deed, Write):
            self._tree.add(deed.leaf)
        else:
            self._tree.add_zeros(deed.chunks)

    def _offered(self, offer: Offer) -> Judge | None:
        if offer.version != VERSION:
            raise TransferFault(Reason.NOT_UNDERSTOOD, f"version {offer.version} of the transfer")
        if offer.entries > MAX_ENTRIES:
            raise TransferFault(Reason.TOO_MANY, f"{offer.entries} files at once, and {MAX_ENTRIES} are the most")
        self._offer = offer
        return self._judged(offer)

    def _judged(self, offer: Offer) -> Judge | None:
        if len(self.manifest) < offer.entries:
            return None
        if len(self.manifest) > offer.entries or self.manifest.size != offer.size:
            raise TransferFault(Reason.NOT_UNDERSTOOD, "other entries than were offered")
        self.state = State.ANSWERING
        return Judge(self.manifest)

    def _begin(self, file: int) -> Begin:
        if not self._file < file < len(self.manifest) or not self.manifest[file].is_file or self._is_whole(file):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "a file that is none, or is out of order")
        self._nothing_left_out(file)
        self.state, self._file = State.WITHIN, file
        self._tree = self._trees.pop(file, Tree())
        return Begin(file, self._tree)

    def _chunk(self, leaf: bytes, data: bytes | memoryview) -> Write:
        offset = self._tree.chunks * CHUNK_BYTES
        if len(data) != min(CHUNK_BYTES, self.manifest[self._file].size - offset):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "a chunk of another length, or beyond the end")
        if leaf_of(data) != leaf:
            raise TransferFault(Reason.CORRUPT, f"bytes {offset} to {offset + len(data)} are not what was sent")
        return Write(offset, data, leaf)

    def _hole(self, chunks: int) -> Skip:
        if not 0 < chunks <= self.manifest[self._file].size // CHUNK_BYTES - self._tree.chunks:
            raise TransferFault(Reason.NOT_UNDERSTOOD, "a hole beyond the end")
        return Skip(chunks)

    def _end(self, root: bytes) -> Complete:
        if self._tree.chunks != chunks_of(self.manifest[self._file].size):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "an end before the end")
        if self._tree.root() != root:
            raise TransferFault(Reason.CORRUPT, "the file as a whole is not what was sent")
        self.state = State.BETWEEN
        return Complete(self._file, root)

    def _nothing_left_out(self, end: int) -> None:
        """Raises TransferFault if a file before `end` was neither sent nor here before."""
        between = range(self._file + 1, end)
        if not all(self._is_whole(file) for file in between if self.manifest[file].is_file):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "a file was left out")

    def _is_whole(self, file: int) -> bool:
        tree = self._trees.get(file)
        return tree is not None and tree.chunks == chunks_of(self.manifest[file].size)
