"""All losses of power that can befall a guest while something is done to it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from tests.machines.bed import Guest, Wrong, expect
from tests.machines.writes import Disk, Recording, Write

COMMIT_SECONDS: Final = 300
"""For so long the kernel may keep to itself what nobody had it write, so what should have been flushed and was not is missing."""
SHUFFLED: Final = 3
"""A disk may do what lies between two flushes in any order: so many selections of it are tried."""


class Looked(NamedTuple):
    """At a disk after a loss of power."""

    at: int
    """Behind so many bytes of the log of writes."""
    value: int
    """What the node would go on with: an MTU, a number of invitations."""


class Cuts:
    """All losses of power while something is done to a guest. `judge` raises, or says what a node goes on with that finds these
    folders in the one that it is given."""

    def __init__(self, guest: Guest, folder: Path, folders: Sequence[str], judge: Callable[[Path], int]) -> None:
        folder.mkdir(parents=True)
        self.guest = guest
        self.looked: list[Looked] = []
        self.shuffled = 0
        self._flushed: list[Looked] = []
        self._recording = Recording(guest.machine.guest, folder)
        self._promises: list[Looked] = []
        self._undo: list[Write] = []
        self._folders = folders
        self._judge = judge
        self._out = folder / "out"

    async def begin(self) -> None:
        """From here on each write counts."""
        await self.guest.sh(f"sync; mount -o remount,commit={COMMIT_SECONDS} /")
        await asyncio.to_thread(self._recording.begin)

    def promised(self, value: int) -> None:
        """The guest said so: it goes on with this from now on, whatever comes."""
        self._promises.append(Looked(self._recording.mark(), value))

    async def end(self) -> None:
        """No more writes count. Safe to call when that is so already."""
        if self._recording.runs:
            await asyncio.to_thread(self._recording.end)
            await self.guest.sh("mount -o remount,commit=5 /")

    def judge(self) -> list[int]:
        """Look at the disk behind each write, and at what it may be where writes wait for a flush. Returns the values in order,
        each once for as long as it stays. Raises Wrong."""
        disk = Disk(self._recording.disk)
        epoch: list[Write] = []
        self.looked = [Looked(0, self._look(disk, "at the beginning"))]
        for write in self._recording.writes():
            if write.flush:
                self._shuffle(disk, epoch)
                self._flushed.append(Looked(write.at, self.looked[-1].value))
                epoch = []
                continue
            epoch.append(write)
            self._undo.append(disk.do(write))
            self.looked.append(Looked(write.at, self._look(disk, f"behind write {len(self._undo)}")))
        disk.close()
        for promise in self._promises:
            kept = next((each for each in reversed(self._flushed) if each.at < promise.at), self.looked[0])
            expect(kept.value == promise.value, f"{self.guest.name} had said {promise.value}, and power is lost: {kept.value}")
        return [value for value, _ in groupby(each.value for each in self.looked)]

    def give_disk(self, value: int) -> None:
        """Let the guest, which has no power, have the disk as it was when this value was on it first."""
        behind = next(number for number, each in enumerate(self.looked) if each.value == value)
        disk = Disk(self._recording.disk)
        for write in reversed(self._undo[behind:]):
            disk.do(write)
        disk.close()
        disk.give(self.guest.machine.guest)

    def _look(self, disk: Disk, when: str) -> int:
        disk.take_out(self._folders, self._out)
        logging.disable(logging.WARNING)  # that a profile is refused, for each disk
        try:
            return self._judge(self._out)
        except Exception as error:
            raise Wrong(f"{self.guest.name}, power lost {when}: {type(error).__name__}: {error}") from error
        finally:
            logging.disable(logging.NOTSET)

    def _shuffle(self, disk: Disk, epoch: Sequence[Write]) -> None:
        """Some of what lies between two flushes is on the disk, and some is not: that is as before or after, too."""
        if len(epoch) < 2:
            return
        fair = {each.value for each in self.looked[-len(epoch) - 1 :]}
        for undo in reversed(self._undo[-len(epoch) :]):
            disk.do(undo)
        chance = random.Random(epoch[0].at)
        for number in range(SHUFFLED):
            chosen = epoch[-1:] if number == 0 else [write for write in epoch if chance.random() < 0.5]
            undone = [disk.do(write) for write in chosen]
            value = self._look(disk, f"with {len(chosen)} of {len(epoch)} writes before write {len(self._undo)}")
            expect(value in fair, f"{self.guest.name}: {value} with some writes done, {fair} in order")
            for undo in reversed(undone):
                disk.do(undo)
            self.shuffled += 1
        for write in epoch:
            disk.do(write)
