"""Where peers came in from, kept beside the undo journal: a daemon that follows a killed one calls those it has no endpoints for.

Only datagram listeners matter: from their address a peer behind a firewall or NAT still takes packets. A hint, never trusted:
the handshake says who is there.

The file has a JSON array a line, the newest about a peer counts: [peer, local, remote], or [peer] for one that left. So a change
costs a line; when most lines are old the file is written anew.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from appliance.api.values import Endpoint

FILE = "paths.json"
OLD_LINES: Final = 1000
"""So many lines, and one for each peer, may be old."""


class KnownPath(NamedTuple):
    """A peer came to the listener at `local` from `remote`."""

    local: Endpoint
    remote: Endpoint


class KnownPaths:
    """What this daemon writes down. What an earlier one wrote goes with the first note."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lines: dict[str, str] = {}
        self._file = -1
        self._written = 0
        """Lines in the file."""

    def note(self, peer: str, path: KnownPath | None) -> None:
        """`peer` is there now; None: nowhere that matters. What cannot be written is not known to the next daemon."""
        if path is None:
            if self._lines.pop(peer, None) is None:
                return
            line = _line(peer)
        else:
            line = _line(peer, str(path.local), str(path.remote))
            if self._lines.get(peer) == line:
                return
            self._lines[peer] = line
        with suppress(OSError):
            if self._file < 0 or self._written > 2 * len(self._lines) + OLD_LINES:
                self._write_anew()
            else:
                os.write(self._file, line.encode())
                self._written += 1

    def close(self) -> None:
        """Write no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_anew(self) -> None:
        self.close()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # gone with its last file where nothing had to be changed
        fresh = self._directory / f"{FILE}.new"
        fresh.write_text("".join(self._lines.values()), encoding="utf-8")
        fresh.replace(self._directory / FILE)
        self._written = len(self._lines)
        self._file = os.open(self._directory / FILE, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def recall(directory: Path) -> dict[str, KnownPath]:
    """What an earlier daemon knew. What cannot be read is not known."""
    try:
        lines = (directory / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    known: dict[str, KnownPath] = {}
    for line in lines:
        with suppress(ValueError, TypeError, AttributeError):  # it was killed while it wrote
            peer, *path = json.loads(line)
            known.pop(peer, None)
            if path:
                local, remote = path
                known[str(peer)] = KnownPath(Endpoint.parse(local), Endpoint.parse(remote))
    return known


def forget(directory: Path) -> None:
    """The daemon ends in order: its peers were told."""
    for name in (FILE, f"{FILE}.new"):
        (directory / name).unlink(missing_ok=True)


def _line(*words: str) -> str:
    return json.dumps(words) + "\n"
