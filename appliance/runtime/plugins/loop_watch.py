"""Ends what keeps the event loop from turning when it is a plugin's: a busy loop, a sleep, a socket that is waited for.

The loop sets the process's alarm (ITIMER_REAL, SIGALRM) anew again and again; when it no longer does, the alarm rings in the
middle of whatever runs, and raises HeldUp there if that is a plugin's code. So signals and `appliance status` get their turn. It
cannot end code in C that does not come back to the interpreter; then systemd's watchdog ends the process.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from appliance.foundation import clock, patience
from appliance.foundation.patience import HeldUp, place
from appliance.runtime.plugins import calls

BEAT: Final = 1.0
"""Seconds between two signs of life of the loop."""
SOON: Final = 0.01
"""Seconds until another look when the core happened to run on the plugin's behalf: it must not be broken off in the middle."""
SELDOM: Final = 0.5
"""Each further look comes after twice as long, up to this: where it is the core that takes long, on a host that has no time for
us, looking must not be all that is done. 60 s of looks also fit the pipe that Python writes each signal to (277 on Linux)."""

Owner = Callable[[FrameType | None], str | None]


class LoopWatch:
    """Watches the running loop of the main thread. `owner(frame)` names the plugin that runs there."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._beats: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._pause = SOON
        self._before: Any = signal.SIG_DFL

    def start(self) -> None:
        """Watch from now on."""
        self._before = signal.signal(signal.SIGALRM, self._ring)
        self._beat()

    def stop(self) -> None:
        """Watch no more."""
        if self._beats is not None:
            self._beats.cancel()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _beat(self) -> None:
        self._last, self._pause = clock.monotonic(), SOON
        signal.setitimer(signal.ITIMER_REAL, calls.HELD_UP)
        self._beats = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        late = clock.monotonic() - self._last
        if late < calls.HELD_UP or self._owner(frame) is None or (late < patience.SECONDS and _imports(frame)):
            signal.setitimer(signal.ITIMER_REAL, self._pause)
            self._pause = min(2 * self._pause, SELDOM)
            return
        signal.setitimer(signal.ITIMER_REAL, patience.AGAIN)
        raise HeldUp(f"held up the node for {calls.HELD_UP:g} s{place(frame)}")


def _imports(frame: FrameType | None) -> bool:
    """Does it load a library? That is done once, may take long on a cold disk, and must not be broken off without need."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False
