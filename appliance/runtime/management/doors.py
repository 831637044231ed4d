"""The sockets at which the API server listens. The node opens them and keeps them, so that a restart of the API server refuses
nobody, and the API server needs no right to open any."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.api.profile import Management
from appliance.api.profile_management import Listen
from appliance.errors import HostError

BACKLOG: Final = 128
"""Connections that wait to be accepted, of each socket."""


class Doors:
    """Listening sockets by the text of their address, and the Unix socket at `path`, which anybody of this host may connect to:
    who that is the kernel says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unix: socket.socket | None = None
        self._tcp: dict[str, socket.socket] = {}

    @property
    def addresses(self) -> list[str]:
        """Where HTTP is spoken."""
        return [*self._tcp]

    @property
    def path(self) -> Path:
        """The Unix socket."""
        return self._path

    @property
    def open_to_host(self) -> bool:
        """Is there at least the Unix socket?"""
        return self._unix is not None

    def descriptors(self) -> tuple[int, Sequence[int]]:
        """Of the Unix socket, and of the others."""
        assert self._unix is not None
        return self._unix.fileno(), [each.fileno() for each in self._tcp.values()]

    def open(self, management: Management) -> bool:
        """Listen where the profile says, and nowhere else. Returns whether anything is different now. Raises HostError; then the
        addresses are as before, and the Unix socket is open if it can be."""
        wanted = {str(each): each for each in management.listen}
        fresh: dict[str, socket.socket] = {}
        try:
            if self._unix is None:
                self._unix = _at_path(self._path)
            for text in wanted.keys() - self._tcp.keys():
                fresh[text] = _listening(wanted[text])
        except OSError as error:
            for each in fresh.values():
                each.close()
            raise HostError(
                f"the API server cannot listen: {error.strerror} ({error.filename or ', '.join(wanted)})",
                hint="another program may have the port: look with `ss -ltnp`, or change management.listen",
            ) from error
        gone = self._tcp.keys() - wanted.keys()
        for text in gone:
            self._tcp.pop(text).close()
        self._tcp = {text: fresh.get(text) or self._tcp[text] for text in wanted}
        return bool(fresh or gone)

    def close(self) -> None:
        """Nobody may knock any more. Safe to call twice."""
        for each in self._tcp.values():
            each.close()
        self._tcp.clear()
        if self._unix is not None:
            self._unix.close()
            self._unix = None
            with suppress(OSError):
                self._path.unlink()


def _listening(at: Listen) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if at.address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if at.address.version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((str(at.address), at.port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        error.filename = str(at)
        raise
    made.setblocking(False)  # noqa: FBT003
    return made


def _at_path(path: Path) -> socket.socket:
    """One of a node that was killed lies in the way sometimes."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        made.bind(str(path))
        os.chmod(path, 0o666)  # noqa: S103, PTH101  who connects the kernel says, and a bind has no mode of its own
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        error.filename = str(path)
        raise
    made.setblocking(False)  # noqa: FBT003
    return made
