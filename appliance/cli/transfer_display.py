"""How far transfers are: bars for a person at a terminal, lines of JSON for a program, nothing else for a log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError
from appliance.files.progress import Progress
from appliance.foundation import clock

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

Result = TypeVar("Result")

DRAW_SECONDS: Final = 0.2
SAY_SECONDS: Final = 1.0
SMOOTH: Final = 0.3
"""The share of what passed since the last look in the rate that is told."""


class Screen:
    """Where all transfers of a command are shown. Bars are there while there are transfers."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._bars: Bars | None = None
        self._shown = 0

    @property
    def bars(self) -> Bars | None:
        """The bars, while there are some."""
        return self._bars

    def begin(self) -> None:
        """One more transfer is shown."""
        self._shown += 1
        if self._shown == 1 and not self.terminal.json and (bars := _bars(self.terminal)) is not None:
            self._bars = bars
            bars.start()

    def end(self) -> None:
        """One less."""
        self._shown -= 1
        if not self._shown and self._bars is not None:
            self._bars.stop()
            self._bars = None

    def line(self, value: Mapping[str, Any], text: str) -> None:
        """One of the results, above the bars if they are on the same screen."""
        if self._bars is not None and self.terminal.out_is_tty:
            self._above(text)
        else:
            self.terminal.line(value, text)

    def note(self, text: str) -> None:
        """What a person may want to know."""
        if self._bars is not None:
            self._above(text)
        else:
            self.terminal.note(text)

    def _above(self, text: str) -> None:
        assert self._bars is not None
        self._bars.console.print(text, markup=False, highlight=False)


class Display:
    """One transfer, from its first byte to its last, also over several tries. `about` is part of every line; its first value says
    with whom."""

    def __init__(self, screen: Screen, about: Mapping[str, str]) -> None:
        self._screen = screen
        self._about = dict(about)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._noted = ""
        self._rate = 0.0
        self._looked_at = clock.monotonic()
        self._looked: Progress | None = None

    def __enter__(self) -> Self:
        self._screen.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._progress is not None and self._progress != self._looked:
            self._draw(self._progress)
        if self._task is not None and self._screen.bars is not None:
            self._screen.bars.remove_task(self._task)
        self._screen.end()

    def moved(self, progress: Progress) -> None:
        """So far it is now. May be called by any thread, as often as one likes."""
        self._progress = progress

    def interrupted(self, error: ApplianceError, pause: float | None = None) -> None:
        """A try has failed, and the next one begins after `pause` seconds; with None there is none."""
        if self._screen.terminal.json:
            said = {"event": "interrupted", **self._about, "error": error.document(), "again_in_seconds": pause}
            self._screen.line(said, "")
            return
        if error.message != self._noted:  # who waits for a peer need not read it each second
            self._noted = error.message
            again = "" if pause is None else "; trying again"
            self._screen.note(f"{next(iter(self._about.values()))}: {error.message}{again}")

    async def while_shown(self, work: Awaitable[Result]) -> Result:
        """The result of `work`; how far it is is shown meanwhile. Raises what the work raises, and OSError if nothing can be
        shown any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                showing = tasks.create_task(self._show())
                result = await work
                showing.cancel()
        except* (ApplianceError, OSError) as errors:
            raise errors.exceptions[0] from None
        return result

    async def _show(self) -> None:
        every = SAY_SECONDS if self._screen.terminal.json else DRAW_SECONDS
        while True:
            await asyncio.sleep(every)
            progress = self._progress
            if progress is not None and progress != self._looked:
                self._draw(progress)

    def _draw(self, progress: Progress) -> None:
        self._measure(progress)
        if self._screen.terminal.json:
            self._screen.line(self._document(progress), "")
        elif self._screen.bars is not None:
            name = ascii(progress.name.rpartition("/")[2])[1:-1] or next(iter(self._about.values()))
            if self._task is None:
                self._task = self._screen.bars.add_task(name, completed=progress.there)
            self._screen.bars.update(self._task, description=name, completed=progress.done, total=progress.total, refresh=True)

    def _measure(self, progress: Progress) -> None:
        now = clock.monotonic()
        if self._looked is not None and now > self._looked_at:
            rate = max(0, progress.done - self._looked.done) / (now - self._looked_at)
            self._rate = rate if not self._rate else (1 - SMOOTH) * self._rate + SMOOTH * rate
        self._looked_at, self._looked = now, progress

    def _document(self, progress: Progress) -> dict[str, Any]:
        left = progress.total - progress.done
        return {
            "event": "progress",
            **self._about,
            "done": progress.done,
            "total": progress.total,
            "on_disk": progress.on_disk,
            "rate": round(self._rate),
            "seconds_left": round(left / self._rate, 1) if self._rate else None,
            "name": progress.name,
        }


def _bars(terminal: Terminal) -> Bars | None:
    """None where nobody looks, or rich is not installed."""
    if not terminal.err_is_tty:
        return None
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    except ImportError:
        return None
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(file=terminal.drawing, no_color=not terminal.err_colour)
    return Progress(*columns, console=console, auto_refresh=False, transient=True)
