"""The sockets at which the API server and servers of plugins in it listen. The node opens them and keeps them, so that a restart
of the API server refuses nobody, and the API server needs no right to open any."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from appliance.api.profile import Management
from appliance.api.profile_management import Listen
from appliance.errors import HostError

BACKLOG: Final = 128
"""Connections that wait to be accepted, of each socket."""
CROWD: Final = 1024
"""The same of a server of a plugin: after a restart all of its clients come back at once."""

Wanted = Mapping[str, Sequence[Listen]]
"""Where servers of plugins listen, by their names."""


class Descriptors(NamedTuple):
    """What the API server is handed to listen at."""

    unix: int
    tcp: Sequence[int]
    servers: Mapping[str, Sequence[int]]
    """Of servers of plugins, by their names."""


class Doors:
    """Listening sockets by the text of their address, and the Unix socket at `path`, which anybody of this host may connect to:
    who that is the kernel says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unix: socket.socket | None = None
        self._tcp: dict[str, socket.socket] = {}
        self._servers: dict[str, dict[str, socket.socket]] = {}
        """By the server's name, and then as `_tcp`."""
        self.blocked: dict[str, str] = {}
        """Servers that do not listen where they should, and why."""

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

    @property
    def of_servers(self) -> dict[str, list[str]]:
        """Where servers of plugins listen, by their names."""
        return {name: [*found] for name, found in self._servers.items()}

    def descriptors(self) -> Descriptors:
        """Of all."""
        assert self._unix is not None
        return Descriptors(
            self._unix.fileno(),
            [each.fileno() for each in self._tcp.values()],
            {name: [each.fileno() for each in found.values()] for name, found in self._servers.items()},
        )

    def open_servers(self, wanted: Wanted) -> bool:
        """Let servers of plugins listen there, and nowhere else. Returns whether anything is different now. A server whose
        address is taken listens nowhere, and is in `blocked`; the others do not notice."""
        before = self._sockets()
        self.blocked = {}
        for name in self._servers.keys() - wanted.keys():
            self._close(self._servers.pop(name).values())
        for name, addresses in wanted.items():
            self._open_server(name, {str(each): each for each in addresses})
        return self._sockets() != before

    def _open_server(self, name: str, wanted: Mapping[str, Listen]) -> None:
        had = self._servers.pop(name, {})
        self._close(had.pop(text) for text in had.keys() - wanted.keys())
        try:
            for text, at in wanted.items():
                if text not in had:
                    had[text] = _listening(at, CROWD)
        except OSError as error:
            self._close(had.values())
            self.blocked[name] = f"it cannot listen at {error.filename}: {error.strerror}"
            return
        self._servers[name] = had

    def _sockets(self) -> set[socket.socket]:
        return {each for found in self._servers.values() for each in found.values()}

    @staticmethod
    def _close(sockets: Iterable[socket.socket]) -> None:
        for each in sockets:
            each.close()

    def open(self, management: Management) -> bool:
        """Listen where the profile says, and nowhere else. Returns whether anything is different now. Raises HostError; then the
        addresses are as before, and the Unix socket is open if it can be."""
        wanted = {str(each): each for each in management.listen}
        fresh: dict[str, socket.socket] = {}
        try:
            if self._unix is None:
                self._unix = _at_path(self._path)
            for text in wanted.keys() - self._tcp.keys():
                fresh[text] = _listening(wanted[text], BACKLOG)
        except OSError as error:
            self._close(fresh.values())
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
        self.open_servers({})
        self._close(self._tcp.values())
        self._tcp.clear()
        if self._unix is not None:
            self._unix.close()
            self._unix = None
            with suppress(OSError):
                self._path.unlink()


def _listening(at: Listen, backlog: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if at.address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if at.address.version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((str(at.address), at.port))
        made.listen(backlog)
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
