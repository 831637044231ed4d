"""Runs inside a guest, as root: gives it a name, a time, random numbers and cards of its own.

A guest that goes on from a snapshot is the twin of every other one. This program is sent to it whole, and told over its standard
input what to be. It must not need more than Python's own modules.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

ADD_ENTROPY, RESEED = 0x40085203, 0x5207
"""RNDADDENTROPY and RNDRESEEDCRNG (linux/random.h)."""
CARD_SECONDS = 120.0
"""A card that was plugged in is there after one second on a core of its own."""
LOOK_EVERY = 0.05
HOSTNAME = Path("/proc/sys/kernel/hostname")
KEPT_HOSTNAME = Path("/etc/hostname")
MACHINE_ID = Path("/etc/machine-id")
JOURNALS = Path("/var/log/journal")
DEVICES = Path("/sys/bus/pci/devices")


def main() -> None:
    """Say that it runs, and do what it is told then: the time would be old otherwise."""
    print("ready", flush=True)
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    time.clock_settime(time.CLOCK_REALTIME, told["now"])
    take_entropy(bytes.fromhex(told["seed"]))
    name_machine(told["name"], told["machine_id"])
    for path, text in told["files"].items():
        Path("/", path).write_text(text)
    for card in told["cards"]:
        name_card(**card)
    os.sync()
    print("done", flush=True)


def take_entropy(seed: bytes) -> None:
    """Credit the kernel with these random bytes, and have it make new numbers from them at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/dev/random").open("wb") as device:
        for request, argument in ((ADD_ENTROPY, struct.pack("ii", 8 * len(seed), len(seed)) + seed), (RESEED, None)):
            if libc.ioctl(device.fileno(), ctypes.c_ulong(request), argument):
                raise OSError(ctypes.get_errno(), f"ioctl {request:#x}")


def name_machine(name: str, machine_id: str) -> None:
    """The host's name, and its machine-id, with which the journal's folder is named. Both stay over a boot."""
    KEPT_HOSTNAME.write_text(f"{name}\n")
    HOSTNAME.write_text(name)
    before = MACHINE_ID.read_text().strip()
    MACHINE_ID.write_text(f"{machine_id}\n")
    if (JOURNALS / before).is_dir() and before != machine_id:
        (JOURNALS / before).rename(JOURNALS / machine_id)


def name_card(slot: int, waiting: str, name: str, mtu: int) -> None:
    """Rename the card in a PCI slot, once udev is done with it: then it has its first name."""
    end = time.monotonic() + CARD_SECONDS
    while (found := card_in(slot)) not in {waiting, name}:
        if time.monotonic() > end:
            raise TimeoutError(f"the card in slot {slot:#x} is called {found!r} after {CARD_SECONDS:g} s")
        time.sleep(LOOK_EVERY)
    renamed = [] if found == name else ["name", name]
    words = ["ip", "link", "set", "dev", found, "mtu", str(mtu), *renamed]
    if code := os.spawnvp(os.P_WAIT, "ip", words):  # noqa: S606 - subprocess takes a fifth of a second to import here
        raise OSError(f"`{' '.join(words)}` ended with {code}")


def card_in(slot: int) -> str:
    """What the network card in a PCI slot is called now; "" if there is none yet."""
    device = DEVICES / f"0000:00:{slot:02x}.0"
    found = [*device.glob("net/*"), *device.glob("virtio*/net/*")]
    return found[0].name if found else ""


if __name__ == "__main__":
    main()
