"""A sender and an inbox joined by a socket pair, each in a thread of its own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any

from appliance.errors import ApplianceError
from appliance.files.inbox import Inbox
from appliance.files.progress import Progress
from appliance.files.receiving import Received
from appliance.files.sending import Sender, Sent
from appliance.files.source import Source
from appliance.transfer import frames
from appliance.transfer.frames import HEAD, Frame
from appliance.transfer.tree import CHUNK_BYTES, Tree, leaf_of

PEER, IDENTITY = "left", "id-of-left"
Outcome = Received | Sent | ApplianceError


class Apart:
    """Something that runs in a thread; `outcome` waits for its end."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self._outcome: Any = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._outcome = self._run()
        except ApplianceError as error:
            self._outcome = error

    def outcome(self) -> Any:
        self._thread.join(60)
        assert not self._thread.is_alive(), "it hangs"
        return self._outcome


def nothing(_: Progress) -> None:
    return


def taking(inbox: Inbox, stream: socket.socket, report: Callable[[Progress], None] = nothing, peer: str = PEER) -> Apart:
    return Apart(lambda: inbox.take(stream, peer, IDENTITY, report))


def send(paths: list[Path], inbox: Inbox, report: Callable[[Progress], None] = nothing) -> tuple[Outcome, Outcome]:
    """One try: what became of it at the sender and at the receiver."""
    here, there = socket.socketpair()
    receiving = taking(inbox, there)
    source = Source(paths)
    source.look()
    sender = Sender(here, source, report)
    sending = Apart(sender.run)
    return sending.outcome(), receiving.outcome()


def root_of(data: bytes) -> str:
    tree = Tree()
    for at in range(0, len(data), CHUNK_BYTES):
        tree.add(leaf_of(data[at : at + CHUNK_BYTES]))
    return tree.root().hex()


def contents(folder: Path) -> dict[str, bytes]:
    """All files below, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class ByHand:
    """The other end of a stream, spoken by the test."""

    def __init__(self) -> None:
        self.far, self._near = socket.socketpair()
        self._near.settimeout(60)

    def say(self, *said: Frame | bytes) -> None:
        self._near.sendall(b"".join(each if isinstance(each, bytes) else frames.encode(each) for each in said))

    def hear(self) -> Frame:
        kind, length = frames.judge_head(self._exactly(HEAD.size))
        return frames.decode(kind, self._exactly(length))

    def hear_until(self, kind: type[Frame] | UnionType) -> Frame:
        while not isinstance(heard := self.hear(), kind):
            pass
        return heard

    def hang_up(self) -> None:
        self._near.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._near.recv(count - len(data))
            assert more, "it hung up"
            data += more
        return data


def random_file(path: Path, size: int) -> bytes:
    data = os.urandom(size)
    path.write_bytes(data)
    return data
