"""Hands a large file to a guest as a disk, for a moment: by ssh, which costs its processor much, it takes four times as long."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from appliance.errors import HostError
from appliance.foundation import clock
from tests.machines.bed import Guest

LET_GO_SECONDS = 120.0
_numbers = count(1)


async def hand(guest: Guest, path: Path, to: str) -> None:
    """Copy a file to the guest. Raises Wrong, HostError."""
    monitor, name = guest.machine.guest.monitor, f"handed{next(_numbers)}"
    file = {"driver": "file", "filename": str(path.resolve()), "read-only": True}
    monitor.execute("blockdev-add", {"driver": "raw", "node-name": name, "read-only": True, "file": file})
    monitor.execute("device_add", {"driver": "virtio-blk-pci", "drive": name, "id": f"{name}-disk", "serial": name})
    try:
        disk = f"/dev/disk/by-id/virtio-{name}"
        await guest.until(f"test -e {disk}")
        await guest.sh(f"head -c {path.stat().st_size} {disk} >{to}")
    finally:
        monitor.execute("device_del", {"id": f"{name}-disk"})
        await _let_go(guest, name)


async def _let_go(guest: Guest, name: str) -> None:
    """Once the guest has let go of the disk, which qemu hears a moment later. Raises HostError."""
    end = clock.monotonic() + LET_GO_SECONDS
    while True:
        try:
            guest.machine.guest.monitor.execute("blockdev-del", {"node-name": name})
        except HostError:
            if clock.monotonic() > end:
                raise
            await asyncio.sleep(0.3)
        else:
            return
