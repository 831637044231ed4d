"""The only place that reads a clock. Everything pure takes `now` as an argument."""

from __future__ import annotations

import time


def monotonic() -> float:
    """Seconds on a clock that never goes back and means nothing by itself (CLOCK_MONOTONIC)."""
    return time.monotonic()


def since_boot() -> float:
    """Seconds since the host booted, those included in which it was asleep (CLOCK_BOOTTIME). Nobody can set this clock. For what
    must not take longer because somebody closes a lid; timers of the event loop stand still meanwhile, as `monotonic` does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def cpu_seconds(pid: int) -> float | None:
    """CPU time that a process has used so far; None if there is no such process. This clock can be read even where /proc is
    hidden.

    clock_getcpuclockid(3) makes the number of that clock from the inverted process number and these three bits.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return None


def wall() -> float:
    """Seconds since 1970 in UTC. Only for showing and for values that leave the machine."""
    return time.time()


def utc_text(seconds: float) -> str:
    """A wall time in RFC 3339 with milliseconds: `2026-11-21T09:10:30.123Z`."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
