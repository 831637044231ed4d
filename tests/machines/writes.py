"""What a guest writes to its disk, in order, and the disk as each loss of power would have left it.

qemu's driver blklogwrites stands between the guest and its disk for a while, and writes down each write and each flush, in
the form of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst). The disk as it was at first, with
so many of these writes, is the disk after a loss of power at that moment: one run of a command has as many of them as it wrote
blocks.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from appliance.lab.guests import programs
from appliance.lab.guests.guest import Guest
from tests.machines.bed import Wrong

SECTOR: Final = 512
HEAD: Final = struct.Struct("<QQQQ")
"""Of the log: magic, version, how many entries, bytes of a sector. Of an entry: sector, sectors, flags, bytes of a mark, of which
there are none. Both fill a sector; behind that of an entry is what was written."""
MAGIC: Final = 0x6A736677736872
FLUSH: Final = 1
DISCARD: Final = 4
NODE: Final = "writes"
DISK_FRONT: Final = "virtio-blk-pci"


class Write(NamedTuple):
    """One entry of the log."""

    at: int
    """Where in the log it begins, in bytes."""
    offset: int
    """On the disk, in bytes."""
    data: bytes
    flush: bool
    """All writes before it are on the disk when it is done."""


class Recording:
    """All that a guest writes from `begin` to `end`. What it says in files lies in `folder`."""

    def __init__(self, guest: Guest, folder: Path) -> None:
        self._guest = guest
        self._node = ""
        self._front = ""
        self.log = folder / "writes.log"
        self.disk = folder / "disk.raw"

    @property
    def runs(self) -> bool:
        """Is there something between the guest and its disk?"""
        return bool(self._front)

    def begin(self) -> None:
        """Copy the disk as it is, and write down what happens to it from now on. Raises HostError."""
        monitor = self._guest.monitor
        self._node = next(
            each["inserted"]["node-name"] for each in monitor.execute("query-block") if each.get("device") == "disk"
        )
        anonymous = "/machine/peripheral-anon"
        found = monitor.execute("qom-list", {"path": anonymous})
        self._front = next(f"{anonymous}/{each['name']}" for each in found if each["type"] == f"child<{DISK_FRONT}>")
        monitor.execute("stop")  # qemu has written all that it knows
        source = self._guest.folder / "disk.qcow2"
        programs.run("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", source, self.disk)
        self.log.write_bytes(b"")
        log = {"driver": "file", "filename": str(self.log)}
        monitor.execute("blockdev-add", {"driver": "blklogwrites", "node-name": NODE, "file": self._node, "log": log})
        monitor.execute("qom-set", {"path": self._front, "property": "drive", "value": NODE})
        monitor.execute("cont")

    def mark(self) -> int:
        """How long the log is now: what is behind that was written later."""
        return self.log.stat().st_size

    def end(self) -> None:
        """Write down nothing any more. Raises HostError."""
        monitor, front = self._guest.monitor, self._front
        self._front = ""
        monitor.execute("stop")
        monitor.execute("qom-set", {"path": front, "property": "drive", "value": self._node})
        monitor.execute("blockdev-del", {"node-name": NODE})
        monitor.execute("cont")

    def writes(self) -> Iterator[Write]:
        """In the order in which they were done."""
        with self.log.open("rb") as log:
            magic, _, _, sector = HEAD.unpack(log.read(HEAD.size))
            assert (magic, sector) == (MAGIC, SECTOR), "no log of writes"
            at, end = SECTOR, self.mark()
            while at + SECTOR <= end:
                log.seek(at)
                first, sectors, flags, _ = HEAD.unpack(log.read(HEAD.size))
                assert not flags & DISCARD, "guests do not discard"
                log.seek(at + SECTOR)
                yield Write(at, first * SECTOR, log.read(sectors * SECTOR), bool(flags & FLUSH))
                at += SECTOR + sectors * SECTOR


class Disk:
    """A raw disk with ext4 that writes are done to, and that can be looked at as the kernel would find it after each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """It stays as it is."""
        os.close(self._fd)

    def do(self, write: Write) -> Write:
        """One write. Returns the one that undoes it."""
        before = os.pread(self._fd, len(write.data), write.offset)
        os.pwrite(self._fd, write.data, write.offset)
        return write._replace(data=before)

    def take_out(self, folders: Sequence[str], into: Path) -> None:
        """Copy these folders out, as they are once the file system's journal was replayed, and leave the disk as it was.

        They have the same paths below `into`; one that is missing is missing there. Raises Wrong if nothing can be replayed.
        """
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        undo = into / "undo"
        _run("e2fsck", "-y", "-E", "journal_only", "-z", undo, self.path, well=(0, 1))
        asked = ""
        for folder in folders:
            above = (into / folder.strip("/")).parent
            above.mkdir(parents=True, exist_ok=True)
            asked += f"rdump {folder} {above}\n"
        _run("debugfs", "-f", "-", self.path, stdin=asked)
        if undo.exists():
            _run("e2undo", undo, self.path)
            undo.unlink()

    def give(self, guest: Guest) -> None:
        """Let the guest, which has no power, have this disk. Raises HostError."""
        programs.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.path, guest.folder / "disk.qcow2")


def _run(*words: str | Path, stdin: str = "", well: Sequence[int] = (0,)) -> None:
    environ = os.environ | {"PATH": programs.PATH}
    done = subprocess.run([*map(str, words)], input=stdin, capture_output=True, text=True, check=False, env=environ)
    if done.returncode not in well:
        raise Wrong(f"{words[0]} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
