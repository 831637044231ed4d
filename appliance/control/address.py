"""Where the control socket is, and who holds it.

The node without a name listens at an abstract address, which the kernel scopes to the network namespace and takes back with the
node. But anybody may take such an address while no node has it. So whoever connects looks at the user at the other end, and a
node that finds its address taken by a stranger listens at a path beside its state directory, where only its own user can make a
file. A named instance listens at such a path from the start.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from appliance.control.callers import is_ours, name_of, user_of
from appliance.errors import HostError
from appliance.foundation import clock, places
from appliance.linux.locks import Busy, try_hold
from appliance.linux.unix_listeners import listener_uid

BACKLOG = 64
PATIENCE, LOOK_EVERY = 5.0, 0.05
"""Seconds to wait for somebody who changes the host, which takes two, and between two looks."""


class AlreadyRunning(HostError):
    """Another daemon has this network namespace."""


class Listening(NamedTuple):
    """A control socket that listens."""

    socket: socket.socket
    problem: str = ""
    """Why it is not where it belongs; "" if it is."""
    path: Path | None = None
    """Its file, if it has one."""
    inode: int = 0
    """That file's number: another node may have put its own in the place of ours."""

    def close(self) -> None:
        """Stop listening, and take the file away. Safe to call twice."""
        if self.path is not None:
            with suppress(OSError):
                if self.path.lstat().st_ino == self.inode:
                    self.path.unlink()  # before it stops to answer: until then nobody takes it for left behind
        self.socket.close()


def listen(state_dir: Path, address: str | None = None) -> Listening:
    """The control socket of the node with this state directory, listening; at `address` where tests want it. Raises
    AlreadyRunning when another node has it, Busy while somebody changes the host, HostError when it cannot be made."""
    address, path = address or places.control_address(), places.control_path(state_dir)
    if not address.startswith("\0"):
        return _at_path(state_dir, Path(address))
    try:
        found = Listening(_bound(address))
    except OSError:
        stranger = _stranger(address)
        if stranger is None:
            raise _already_runs() from None
        return _at_path(state_dir, path, f"user {name_of(stranger)} holds the name of the control socket: ours is {path}")
    if _answers(path):
        found.close()
        raise _already_runs()
    return found


def listen_at_path(state_dir: Path) -> Listening:
    """The same for a node that leaves the abstract address to the host's node, which has another state directory. Raises as
    `listen`."""
    if not places.instance() and _holder(places.ABSTRACT) == os.geteuid():
        raise _already_runs()  # it has this state directory
    return _at_path(state_dir, places.control_path(state_dir))


def _stranger(address: str) -> int | None:
    """The user who holds the address, if it is one whose daemon nobody may believe (`callers.is_ours`)."""
    holder = _holder(address)
    return None if holder is None or is_ours(holder) else holder


def _holder(address: str) -> int | None:
    holder = listener_uid(address)
    if holder is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            try:
                probe.connect(address)
                holder = user_of(probe)
            except OSError:
                return None
    return holder


def _at_path(state_dir: Path, path: Path, problem: str = "") -> Listening:
    """Listening at a path; what a killed node left there is taken away. `problem`: why it is not where it belongs."""
    lock = _locked(state_dir / "lock")
    try:
        if _answers(path):
            raise _already_runs()
        path.unlink(missing_ok=True)
        found = _bound(str(path), mode=0o666)
        return Listening(found, problem, path, path.lstat().st_ino)
    except OSError as error:
        hint = "end that user's process: `ss -xlp | grep appliance`" if problem else "see whether something else is there"
        raise HostError(f"{problem or f'the control socket {path}'} cannot be made: {error}", hint=hint) from error
    finally:
        os.close(lock)


def _locked(path: Path) -> int:
    """The lock of who changes the host or listens; a descriptor. Two nodes that start at once take turns."""
    deadline = clock.monotonic() + PATIENCE
    while (lock := try_hold(path)) is None:
        if clock.monotonic() > deadline:
            raise Busy("another appliance command is changing this host", hint="wait until it has ended and try again")
        select.select((), (), (), LOOK_EVERY)
    return lock


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
    name = places.instance()
    command = f"appliance --instance {name}" if name else "appliance"
    return AlreadyRunning(
        f"an appliance daemon{name and f' {name}'} already runs in this network namespace",
        hint=f"give it the new profile with `{command} apply`, or stop it first; `{command} status` shows it",
    )
