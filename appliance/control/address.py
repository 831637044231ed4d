"""Where the control socket is, and who holds it.

Its name is an abstract one, which the kernel scopes to the network namespace and takes back with the daemon. But anybody may take
such a name while no daemon has it. So whoever connects looks at the user at the other end, and a daemon that finds the name taken
by a stranger listens at a path beside its state directory, where only its own user can make a file.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple

from appliance.control.callers import is_ours, name_of, user_of
from appliance.errors import HostError
from appliance.foundation import places
from appliance.linux.locks import Busy, try_hold
from appliance.linux.unix_listeners import listener_uid

BACKLOG = 64


class AlreadyRunning(HostError):
    """Another daemon has this network namespace."""


class Listening(NamedTuple):
    """A control socket that listens. `problem`: why it is not where it should be. `path`: its file, if it has one."""

    socket: socket.socket
    problem: str = ""
    path: Path | None = None

    def close(self) -> None:
        """Stop listening. Safe to call twice."""
        self.socket.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def listen(state_dir: Path, address: str | None = None) -> Listening:
    """The control socket, listening. Raises AlreadyRunning when another daemon has it."""
    address = address or places.control_address()
    path = places.control_path(state_dir)
    try:
        found = Listening(_bound(address))
    except OSError:
        stranger = _stranger(address)
        if stranger is None:
            raise _already_runs() from None
        return _beside(state_dir, path, f"user {name_of(stranger)} holds the name of the control socket: ours is {path}")
    if _answers(path):
        found.close()
        raise _already_runs()
    return found


def _stranger(address: str) -> int | None:
    """The user who has the name, if that is nobody whose daemon it could be."""
    holder = listener_uid(address)
    if holder is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            try:
                probe.connect(address)
                holder = user_of(probe)
            except OSError:
                return None
    return None if is_ours(holder) else holder


def _beside(state_dir: Path, path: Path, problem: str) -> Listening:
    lock = try_hold(state_dir / "lock")
    if lock is None:
        raise Busy("another appliance command is changing this host", hint="wait until it has ended and try again")
    try:
        if _answers(path):
            raise _already_runs()
        path.unlink(missing_ok=True)
        return Listening(_bound(str(path), mode=0o666), problem, path)
    except OSError as error:
        raise HostError(
            f"{problem}, and cannot be made: {error}", hint="end that user's process: `ss -xlp | grep appliance`"
        ) from error
    finally:
        os.close(lock)


def _bound(address: str, mode: int | None = None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind(address)
        if mode is not None:
            Path(address).chmod(mode)  # who may ask what is judged by the caller's user, as on the abstract one
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except BlockingIOError:  # it has more callers than it takes
            return True
        except OSError:
            return False
        return is_ours(user_of(probe))


def _already_runs() -> AlreadyRunning:
    return AlreadyRunning(
        "an appliance daemon already runs in this network namespace",
        hint="give it the new profile with `appliance apply`, or stop it first; `appliance status` shows it",
    )
