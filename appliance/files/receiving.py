"""One stream of a sender, from its offer to FINISHED: frames in, files onto a shelf."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from appliance.files.errors import TransferLost, TransferRefused, Unwilling
from appliance.files.frame_stream import STALL_SECONDS, FrameStream
from appliance.files.progress import Progress
from appliance.files.shelf import Part, Shelf, wrong_disk
from appliance.foundation import clock
from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.frames import ALIVE, FINISHED, READY, Sealed
from appliance.transfer.manifest import Entry, Manifest
from appliance.transfer.receiving import Begin, Complete, Deed, Discard, Ended, Finish, Judge, Receiving, Skip, Write
from appliance.transfer.tree import CHUNK_BYTES

SEAL_SECONDS: Final = 1.0
"""At most so much of what came is received again after a kill, on a disk that keeps up."""
LEAST_SEAL_BYTES: Final = 1 << 20
MOST_SEAL_BYTES: Final = 64 << 20
FIRST_SEAL_BYTES: Final = 16 << 20
MOST_COMPLETE: Final = 64
"""Files that wait for the next seal, each with a descriptor."""
ALIVE_SECONDS: Final = 2.0
"""Between two words to a sender that waits for an answer."""


class Received(NamedTuple):
    """What became of a transfer that came to its end."""

    files: int
    """All that were offered, but for those that were changed while they were sent."""
    bytes: int
    there: int
    """Bytes that were there before this try."""


class Receiver:
    """One stream. Takes the socket over. `stop` ends it from another thread, and `ended` says when."""

    def __init__(
        self,
        stream: socket.socket,
        shelf: Shelf,
        report: Callable[[Progress], None],
        begun: Callable[[Receiver], None] = lambda _: None,
        stall_s: float = STALL_SECONDS,
    ) -> None:
        """`begun` is called when the offer is known, and may wait for others to end."""
        self._stream = FrameStream(stream, stall_s)
        self._shelf = shelf
        self._report = report
        self._begun = begun
        self._receiving = Receiving()
        self._part: Part | None = None
        self._complete: list[Part] = []
        self._broken = self._has_newer = False
        self._limit_bytes = FIRST_SEAL_BYTES
        self._unsealed_bytes = 0
        self._sealed_at = clock.monotonic()
        self._progress = Progress(0)
        self._discarded = 0
        self.keys: frozenset[bytes] = frozenset()
        """Of all files that are offered."""
        self.ended = threading.Event()

    def run(self) -> Received:
        """Receive everything. Raises TransferLost, TransferFault and TransferRefused; what came by then is sealed."""
        try:
            return self._run()
        except TransferFault as fault:
            self._keep()
            self._stream.give_up(fault.reason, fault.message)
            raise
        except Unwilling as error:
            self._keep()
            self._stream.give_up(error.reason, error.text)
            raise TransferRefused(error.reason, error.text, who="this side") from error
        except BaseException:
            self._keep()
            if self._has_newer:
                self._stream.give_up(Reason.ELSEWHERE, "the same files come over a newer connection")
            raise
        finally:
            self._close()

    def stop(self) -> None:
        """End it, from any thread: what came is sealed, and `run` raises TransferLost."""
        self._stream.stop()

    def yield_to_newer(self) -> None:
        """The same, and the sender is told that there is a newer connection."""
        self._has_newer = True
        self._stream.stop_reading()

    def _run(self) -> Received:
        while True:
            deed = self._receiving.handle(self._stream.receive())
            try:
                self._do(deed)
            except OSError as error:
                raise wrong_disk(error) from error
            if isinstance(deed, Finish):
                manifest = self._receiving.manifest
                files = sum(entry.is_file for entry in manifest) - self._discarded
                return Received(files, manifest.size, self._progress.there)
            self._seal_when_due()

    def _do(self, deed: Deed | None) -> None:
        match deed:
            case Write(offset, data):
                assert self._part is not None
                self._part.write(offset, data)
                self._receiving.written(deed)
                self._passed(len(data))
            case Skip(chunks):
                self._receiving.written(deed)
                self._passed(chunks * CHUNK_BYTES, written=0)
            case Begin(file, tree):
                entry = self._receiving.manifest[file]
                self._part = self._shelf.open(file, entry, tree)
                self._progress = self._progress._replace(name=os.fsdecode(entry.path))
            case Complete():
                assert self._part is not None
                self._complete.append(self._part)
                self._part = None
            case Discard():
                self._discard()
            case Judge(manifest):
                self._answer(manifest)
            case Finish():
                self._seal()
                self._stream.send(FINISHED)
                self._stream.flush()
            case Ended(reason, text):
                raise TransferRefused(reason, text, who="the sender")

    def _answer(self, manifest: Manifest) -> None:
        """Make the folders, and say what is there of each file."""
        self.keys = frozenset(self._shelf.key_of(entry) for entry in manifest if entry.is_file)
        self._begun(self)
        there, said_at = 0, clock.monotonic()
        for file, entry in enumerate(manifest):
            there += self._answer_one(file, entry)
            if clock.monotonic() - said_at > ALIVE_SECONDS:
                said_at = clock.monotonic()
                self._stream.send(ALIVE)
                self._stream.flush()
        self._receiving.ready()
        self._stream.send(READY)
        self._progress = Progress(manifest.size, done=there, there=there, on_disk=there)
        self._report(self._progress)

    def _answer_one(self, file: int, entry: Entry) -> int:
        """How many bytes are there."""
        if not entry.is_file:
            self._shelf.make_folder(entry.path)
            return 0
        tree = self._shelf.there(entry)
        if tree is None:
            return 0
        self._stream.send(self._receiving.have(file, tree))
        return min(tree.chunks * CHUNK_BYTES, entry.size)

    def _discard(self) -> None:
        assert self._part is not None
        self._part.close()
        self._shelf.discard(self._part)
        self._part = None
        self._discarded += 1

    def _passed(self, count: int, written: int | None = None) -> None:
        self._unsealed_bytes += count if written is None else written
        self._progress = self._progress.advanced(count)
        self._report(self._progress)

    def _seal_when_due(self) -> None:
        """Often enough to lose little, and seldom enough that the disk is not waited for all the time."""
        due = clock.monotonic() - self._sealed_at > SEAL_SECONDS and (self._unsealed_bytes or self._complete)
        if not due and self._unsealed_bytes < self._limit_bytes and len(self._complete) < MOST_COMPLETE:
            return
        begun, count = clock.monotonic(), self._unsealed_bytes
        try:
            self._seal()
        except OSError as error:
            raise wrong_disk(error) from error
        seconds = max(clock.monotonic() - begun, 0.001)
        if count >= LEAST_SEAL_BYTES:  # so much as takes a second to write
            self._limit_bytes = max(LEAST_SEAL_BYTES, min(MOST_SEAL_BYTES, int(count / seconds)))
        self._stream.send(Sealed(*self._receiving.place))
        self._stream.flush()

    def _seal(self) -> None:
        """All that came is on the disk, and complete files have their names. Raises Unwilling, OSError."""
        complete, self._complete = self._complete, []
        try:
            self._shelf.seal(complete, self._part)
        except BaseException:
            # After an fsync that failed the kernel may have dropped what was not written, so nothing more can be promised.
            self._broken = True
            raise
        finally:
            for part in complete:
                part.close()
        self._unsealed_bytes, self._sealed_at = 0, clock.monotonic()
        self._progress = self._progress._replace(on_disk=self._progress.done)

    def _keep(self) -> None:
        """What came counts, as far as the disk takes it."""
        if not self._broken:
            with suppress(OSError, Unwilling):
                self._seal()

    def _close(self) -> None:
        for part in [*self._complete, self._part]:
            if part is not None:
                part.close()
        self._complete, self._part = [], None
        self._stream.close()
        self.ended.set()


def refuse(stream: socket.socket, reason: Reason, text: str) -> None:
    """Say no before anything was said. Raises nothing."""
    with suppress(TransferLost):
        FrameStream(stream).give_up(reason, text)
