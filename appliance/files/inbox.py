"""A folder that receives from several peers at a time: a shelf for each, and limits on how much goes on at once."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Final

from appliance.errors import ApplianceError, HostError
from appliance.files.errors import TransferRefused, Unwilling
from appliance.files.frame_stream import STALL_SECONDS
from appliance.files.progress import Progress
from appliance.files.receiving import Received, Receiver, refuse
from appliance.files.shelf import Shelf
from appliance.transfer.faults import Reason

MOST_TRANSFERS: Final = 8
MOST_OF_ONE: Final = 4
PATIENCE_SECONDS: Final = 8.0
"""For an older transfer of the same files to end: it seals what it has."""
THIS_HOST: Final = "_this-host"
"""The folder of what programs of this host send: no peer is called so."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Inbox:
    """One folder. `take` may be called by several threads at a time."""

    def __init__(self, folder: Path, *, overwrite: bool = False, stall_s: float = STALL_SECONDS) -> None:
        """Makes the folder. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._overwrite = overwrite
        self._stall_s = stall_s
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}
        self._running: dict[Receiver, Shelf] = {}

    def take(self, stream: socket.socket, peer: str, identity: str, report: Callable[[Progress], None]) -> Received:
        """Receive what one stream brings, in the calling thread. `peer` and `identity` are whom the node knows at the other end,
        both "" for a program of this host. Raises ApplianceError."""
        try:
            receiver = self._begin(stream, peer, identity, report)
        except Unwilling as error:
            refuse(stream, error.reason, error.text)
            raise TransferRefused(error.reason, error.text, who="this side") from error
        except (OSError, ApplianceError) as error:
            refuse(stream, Reason.FAILED, "the receiver's folder cannot be used")
            if isinstance(error, OSError):
                where = f"{error.filename or self._folder}: {(error.strerror or 'it cannot be used').lower()}"
                raise HostError(where, hint="who may write there, and is it a folder?") from error
            raise
        try:
            return receiver.run()
        finally:
            with self._lock:
                del self._running[receiver]

    def stop(self) -> None:
        """End all that goes on; what came is sealed."""
        with self._lock:
            running = list(self._running)
        for receiver in running:
            receiver.stop()
        for receiver in running:
            receiver.ended.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Give the folder up. Nothing goes on any more."""
        for shelf in self._shelves.values():
            shelf.close()
        self._shelves.clear()

    def _begin(self, stream: socket.socket, peer: str, identity: str, report: Callable[[Progress], None]) -> Receiver:
        with self._lock:
            name = folder_name(peer, identity)
            of_it = sum(shelf is self._shelves.get(name) for shelf in self._running.values())
            if len(self._running) >= MOST_TRANSFERS or of_it >= MOST_OF_ONE:
                raise Unwilling(Reason.BUSY, "there are as many transfers as there may be")
            shelf = self._shelves.get(name)
            if shelf is None:
                shelf = Shelf(self._folder, name, identity or peer, overwrite=self._overwrite, umask=self._umask)
                self._shelves[name] = shelf
            receiver = Receiver(stream, shelf, report, self._end_older, self._stall_s)
            self._running[receiver] = shelf
            return receiver

    def _end_older(self, newer: Receiver) -> None:
        """A sender that comes again has lost its connection, whatever this side knows of that yet."""
        with self._lock:
            shelf = self._running[newer]
            before = takewhile(lambda each: each is not newer, self._running)
            older = [each for each in before if self._running[each] is shelf and each.keys & newer.keys]
        for each in older:
            each.yield_to_newer()
        if not all(each.ended.wait(PATIENCE_SECONDS) for each in older):
            raise Unwilling(Reason.STOPPED, "an older transfer of the same files has not ended yet")


def folder_name(peer: str, identity: str) -> str:
    """The name of a sender's folder."""
    if not peer and not identity:
        return THIS_HOST
    return peer if _NAME.fullmatch(peer) else hashlib.sha256((identity or peer).encode()).hexdigest()[:16]
