"""One try to send: over one stream, from the offer to the receiver's last word."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from itertools import accumulate
from typing import Final, NamedTuple, TypeVar

from appliance.files.errors import TransferLost, TransferRefused
from appliance.files.frame_stream import STALL_SECONDS, FrameStream
from appliance.files.progress import Progress
from appliance.files.source import Changed, Reading, Source
from appliance.transfer.faults import TransferFault
from appliance.transfer.frames import CHANGED, FINISH, End, File, Hole
from appliance.transfer.sending import Answered, Done, Event, OnDisk, Refused, Sending
from appliance.transfer.tree import CHUNK_BYTES, Tree, chunks_of, leaf_of

_ZEROS: Final = bytes(CHUNK_BYTES)
Awaited = TypeVar("Awaited", Answered, Done)


class Sent(NamedTuple):
    """What became of a transfer that came to its end."""

    files: int
    """All that were offered."""
    bytes: int
    """Of all files."""
    there: int
    """Bytes that the receiver had already when this try began."""
    changed: tuple[str, ...]
    """Files that were changed, or could not be read, while they were sent. The receiver has nothing of them."""
    roots: tuple[tuple[str, str], ...]
    """Path and root (hexadecimal) of each file that was sent in this try."""


class Sender:
    """One try to send what the source saw when it looked. Takes the socket over. `stop` ends it from another thread."""

    def __init__(
        self, stream: socket.socket, source: Source, report: Callable[[Progress], None], stall_s: float = STALL_SECONDS
    ) -> None:
        self._stream = FrameStream(stream, stall_s)
        self._source = source
        self._report = report

    def run(self) -> Sent:
        """Send everything. Raises TransferLost, TransferRefused, TransferFault."""
        try:
            return self._run()
        except TransferFault as fault:
            self._stream.give_up(fault.reason, fault.message)
            raise
        except TransferLost:
            self._read_last_word()
            raise
        finally:
            self._stream.close()

    def stop(self) -> None:
        """End it, from any thread: `run` raises TransferLost."""
        self._stream.stop()

    def _run(self) -> Sent:
        manifest = self._source.manifest
        self._sending = Sending(manifest)
        self._progress = Progress(manifest.size)
        self._changed: list[str] = []
        self._roots: list[tuple[str, str]] = []
        self._before = [0, *accumulate(entry.size for entry in manifest)]
        for frame in self._sending.offer():
            self._stream.send(frame)
        there = self._until(Answered).there
        self._progress = self._progress.advanced(there)._replace(there=there, on_disk=there)
        self._report(self._progress)
        for file, tree in self._sending.wanted():
            self._send_file(file, tree)
        self._stream.send(FINISH)
        self._sending.finished()
        self._until(Done)
        files = sum(entry.is_file for entry in manifest)
        return Sent(files, manifest.size, there, tuple(self._changed), tuple(self._roots))

    def _send_file(self, file: int, tree: Tree) -> None:
        entry = self._source.manifest[file]
        name = os.fsdecode(entry.path)
        self._progress = self._progress._replace(name=name)
        self._stream.send(File(file))
        try:
            with self._source.open(file) as reading:
                while tree.chunks < chunks_of(entry.size):
                    self._send_piece(reading, tree)
                    self._sending.sent(file, tree.chunks)
                    self._listen()
                reading.verify()
            self._stream.send(End(root := tree.root()))
            self._roots.append((name, root.hex()))
        except Changed:
            self._stream.send(CHANGED)
            self._changed.append(name)
        self._sending.sent(file + 1, 0)

    def _send_piece(self, reading: Reading, tree: Tree) -> None:
        """A chunk, or a hole of some."""
        offset = tree.chunks * CHUNK_BYTES
        chunks = reading.hole(offset)
        data = b"" if chunks else reading.chunk(offset)
        if data == _ZEROS:
            chunks, data = 1, b""
        if chunks:
            self._stream.send(Hole(chunks))
            tree.add_zeros(chunks)
        else:
            tree.add(leaf := leaf_of(data))
            self._stream.send_chunk(leaf, data)
        self._progress = self._progress.advanced(chunks * CHUNK_BYTES + len(data))
        self._report(self._progress)

    def _listen(self) -> None:
        """What the receiver says meanwhile."""
        while self._stream.has_said():
            self._hear(self._sending.handle(self._stream.receive()))

    def _until(self, awaited: type[Awaited]) -> Awaited:
        while True:
            event = self._sending.handle(self._stream.receive())
            if isinstance(event, awaited):
                return event
            self._hear(event)

    def _hear(self, event: Event | None) -> None:
        match event:
            case Refused(reason, text):
                raise TransferRefused(reason, text, who="the receiver")
            case OnDisk(file, chunks):
                self._progress = self._progress._replace(on_disk=self._before[file] + chunks * CHUNK_BYTES)

    def _read_last_word(self) -> None:
        """Whoever ends a connection may have said why just before. Raises TransferRefused then."""
        try:
            while self._stream.has_said():
                event = self._sending.handle(self._stream.receive())
                if isinstance(event, Refused):
                    raise TransferRefused(event.reason, event.text, who="the receiver")
        except (TransferLost, TransferFault):
            return
