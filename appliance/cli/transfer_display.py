"""How far transfers are: a bar for a person at a terminal, lines of JSON for a program, nothing else for a log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError
from appliance.files.progress import Progress
from appliance.foundation import clock

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Result = TypeVar("Result")

DRAW_SECONDS: Final = 0.2
SAY_SECONDS: Final = 1.0
SMOOTH: Final = 0.3
"""The share of what passed since the last look in the rate that is shown."""


class Display:
    """One transfer, from its first byte to its last, also over several tries. `about` is part of every line."""

    def __init__(self, terminal: Terminal, verb: str, about: Mapping[str, str]) -> None:
        self._terminal = terminal
        self._verb = verb
        self._about = dict(about)
        self._progress: Progress | None = None
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._stack = ExitStack()
        self._rate = 0.0
        self._looked_at = clock.monotonic()
        self._looked: Progress | None = None

    def __enter__(self) -> Self:
        self._bar = None if self._terminal.json else _bar(self._terminal)
        if self._bar is not None:
            self._stack.enter_context(self._bar)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._draw(self._progress)
        self._stack.close()

    def moved(self, progress: Progress) -> None:
        """So far it is now. May be called by any thread, as often as one likes."""
        self._progress = progress

    def interrupted(self, error: ApplianceError, pause: float | None = None) -> None:
        """A try has failed, and the next one begins after `pause` seconds; with None there is none."""
        again = "" if pause is None else "; trying again"
        who = next(iter(self._about.values()))
        if self._terminal.json:
            said = {"event": "interrupted", **self._about, "error": error.document(), "again_in_seconds": pause}
            self._terminal.line(said, "")
        else:
            self._terminal.note(f"{who}: {error.message}{again}")

    async def while_shown(self, work: Awaitable[Result]) -> Result:
        """The result of `work`; how far it is is shown meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            showing = tasks.create_task(self._show())
            try:
                return await work
            except ApplianceError as error:
                failed = error
            finally:
                showing.cancel()
        raise failed

    async def _show(self) -> None:
        every = SAY_SECONDS if self._terminal.json else DRAW_SECONDS
        while True:
            await asyncio.sleep(every)
            progress = self._progress
            if progress is not None and progress != self._looked:
                self._draw(progress)

    def _draw(self, progress: Progress) -> None:
        self._measure(progress)
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(f"{self._verb} {ascii(progress.name)[1:-1]}", completed=progress.there)
            name = ascii(progress.name.rpartition("/")[2])[1:-1]
            self._bar.update(self._task, description=name, completed=progress.done, total=progress.total, refresh=True)
        elif self._terminal.json:
            self._terminal.line(self._document(progress), "")

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


def _bar(terminal: Terminal) -> Bar | None:
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
    return Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
