"""What the kernel dropped because the TUN device's queue was full: packets of this host's that no worker ever saw."""

from __future__ import annotations

from collections.abc import Callable

REASON = "tun_full"


class TunLosses:
    """Counts from when the node took the device, as the kernel counts from when it was made. `dropped(name)` asks that."""

    def __init__(self, dropped: Callable[[str], int]) -> None:
        self._dropped = dropped
        self._name = ""
        self._before = 0

    def begin(self, name: str) -> None:
        """The node has this device now."""
        if name != self._name:
            self._name, self._before = name, self._dropped(name)

    def count(self) -> int:
        """Packets lost so far."""
        now = self._dropped(self._name) if self._name else 0
        if now < self._before:  # made anew
            self._before = 0
        return now - self._before
