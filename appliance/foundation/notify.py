"""Tells the service manager how we are: sd_notify(3) over $NOTIFY_SOCKET, by datagram, without libsystemd.

Without that variable every call does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping


class Notifier:
    """The way to the service manager."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_interval = _watchdog_interval(environ)
        """Seconds after which it wants to hear again that we live; None if it does not want to."""

    def ready(self, status: str) -> None:
        """Start-up or a reload has ended."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self, now: float) -> None:
        """A reload begins; `now` is the monotonic clock in seconds (sd_notify(3): MONOTONIC_USEC)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(now * 1_000_000)}")

    def stopping(self) -> None:
        """Stopping has begun."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def feed_watchdog(self, alive: Callable[[], bool]) -> None:
        """From now on say as often as wanted that we live, from the event loop, unless `alive` says no at that moment."""
        if self.watchdog_interval is None:
            return
        if alive():
            self.alive()
        asyncio.get_running_loop().call_later(self.watchdog_interval, self.feed_watchdog, alive)

    def alive(self) -> None:
        """We live."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                sock.sendto(message.encode(), self._address)
        except OSError:  # nobody listens any more: not our trouble
            return


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """A third of $WATCHDOG_USEC, so that two messages may be late. None if the watchdog is off, or meant for another process."""
    micros, owner = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or int(micros) == 0 or (owner and owner != str(os.getpid())):
        return None
    return int(micros) / 3_000_000
