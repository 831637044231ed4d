"""Reads and writes /etc/resolv.conf, in place: it keeps its owner, mode and attributes, and may be a mount of its own, as `ip
netns exec` and containers make it. Texts have one character for each byte."""

from __future__ import annotations

import array
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from appliance.errors import HostError
from appliance.linux import machine
from appliance.planning.resolv_conf import MOST_BYTES

FILE: Final = Path("/etc/resolv.conf")
FS_IOC_GETFLAGS: Final = 0x80086601
IMMUTABLE: Final = 0x10
"""FS_IMMUTABLE_FL, linux/fs.h: what `chattr +i` sets."""
FIRST_PROCESS: Final = Path("/proc/1")
OVERFLOW_UID: Final = Path("/proc/sys/kernel/overflowuid")
SHARED: Final = (
    f"{FILE} is the whole machine's, and this network namespace has none of its own (`ip netns exec NAME` brings /etc/netns/NAME)"
)


def observe() -> dict[str, Any]:
    """As `api.planning.HostState.resolver`."""
    text, obstacle = None, ""
    try:
        text = read()
    except (OSError, HostError) as error:
        obstacle = error.message if isinstance(error, HostError) else f"{FILE} cannot be read: {error.strerror}"
    return {"text": text, "obstacle": obstacle or _obstacle()}


def read() -> str | None:
    """The file; None if there is none. Raises HostError for one that is too long, OSError."""
    try:
        descriptor = os.open(FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for who writes into it
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HostError(f"{FILE} is no regular file")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise HostError(f"{FILE} is longer than {MOST_BYTES >> 10} KiB")
    return data.decode("latin-1")


def is_anothers(args: Mapping[str, Any]) -> bool:
    """Is the file neither as `over` nor as `text` says? Somebody has rewritten it since."""
    return not _is_part_way(args, read()) and read() not in {args["over"], args["text"]}


def write(args: Mapping[str, Any]) -> None:
    """Make the file say `text` (None: remove it) if it says `over`; else leave it to whoever rewrote it. Raises HostError."""
    try:
        now = read()
        if now != args["over"] and not _is_part_way(args, now):
            return
        if args["text"] is None:
            FILE.unlink(missing_ok=True)
        else:
            _write(str(args["text"]).encode("latin-1"), new=now is None)
    except OSError as error:
        raise HostError(f"{FILE} cannot be written: {error.strerror}", hint=_obstacle()) from error


def state() -> tuple[int, ...]:
    """What is another one when the file is, or the one that it leads to."""
    found: list[int] = []
    for look in (FILE.lstat, FILE.stat):
        with suppress(OSError):
            seen = look()
            found += [seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns]
    return tuple(found)


def _write(data: bytes, *, new: bool) -> None:
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if new else 0)
    descriptor = os.open(FILE, flags, 0o644)
    try:
        if new:
            os.fchmod(descriptor, 0o644)  # whatever the umask says: everybody looks up names
        os.pwrite(descriptor, data, 0)  # before it is shortened: no reader finds it empty
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_part_way(args: Mapping[str, Any], now: str | None) -> bool:
    """Was an earlier `write` killed before it could shorten the file?"""
    text, over = args["text"], args["over"]
    return text is not None and over is not None and len(text) < len(over) and now == text + over[len(text) :]


def _obstacle() -> str:
    """Why the file cannot be changed, as a sentence; "" if it can."""
    try:
        found = FILE.lstat()
    except FileNotFoundError:
        folder = FILE.parent
        return SHARED if _is_of_another_network(folder) else _locked(folder)
    except OSError as error:
        return f"{FILE} cannot be looked at: {error.strerror}"
    if _is_of_another_network(FILE):
        return SHARED
    if stat.S_ISLNK(found.st_mode):
        return f"{FILE} is a symbolic link to {FILE.readlink()}, which another program writes"
    if not stat.S_ISREG(found.st_mode):
        return f"{FILE} is no regular file"
    if found.st_uid == _overflow() and os.geteuid() != found.st_uid:
        return f"{FILE} belongs to a user outside of this user namespace"
    if locked := _locked(FILE):
        return locked
    unwritable = machine.may_change_network() and not os.access(FILE, os.W_OK)
    return f"{FILE} cannot be written by the user that this process is" if unwritable else ""


def _locked(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} is on a read-only file system"
    flags = array.array("L", [0])
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return f"{path} cannot be opened: {error.strerror}"
    try:
        fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, flags)
    except OSError:  # a file system without such flags
        return ""
    finally:
        os.close(descriptor)
    return f"{path} is immutable (`chattr -i {path}` would change that)" if flags[0] & IMMUTABLE else ""


def _is_of_another_network(path: Path) -> bool:
    """Is it the file of the first process, or of one that this one descends from, while their network is another one? Then
    programs of another network read it."""
    return any(_reads_elsewhere(process, path) for process in (FIRST_PROCESS, *_ancestors()))


def _reads_elsewhere(process: Path, path: Path) -> bool:
    try:
        theirs, own = (process / "ns/net").stat(), Path("/proc/thread-self/ns/net").stat()
        return theirs.st_ino != own.st_ino and (process / "root" / path.relative_to("/")).samefile(path)
    except OSError:  # whoever cannot look at it is in a container, or in systemd's sandbox
        return False


def _ancestors() -> Iterator[Path]:
    process = Path("/proc/self")
    with suppress(OSError):
        while (parent := (process / "stat").read_text().rpartition(")")[2].split()[1]) != "0":
            process = Path("/proc", parent)
            yield process


def _overflow() -> int:
    try:
        return int(OVERFLOW_UID.read_text())
    except (OSError, ValueError):
        return -1
