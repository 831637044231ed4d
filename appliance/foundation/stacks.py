"""Where a program was, counted stack by stack: what a sampling profiler gathers, in bounded memory. Names and places of code,
never values.

A stack is written as flame graphs want it ("collapsed"): frames from the outermost to the innermost with semicolons between
them, a space, and how often it was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

MOST_STACKS: Final = 2000
"""Different ones. What comes beyond is counted under its innermost frame alone, and after twice as many not by name."""
DEEPEST: Final = 100
"""Frames of a stack, the innermost."""
SHOWN_FUNCTIONS: Final = 50
OTHERS: Final = "(others)"


class Stacks:
    """Stacks that were seen. `torn`: samples that were none, since the program went on meanwhile."""

    def __init__(self) -> None:
        self.samples = self.torn = 0
        self._seen: Counter[tuple[str, ...]] = Counter()

    def add(self, frames: Sequence[str]) -> None:
        """One sample: frames from the outermost to the innermost."""
        self.samples += 1
        stack = tuple(frames[-DEEPEST:])
        if stack not in self._seen and len(self._seen) >= MOST_STACKS:
            stack = stack[-1:]
            if stack not in self._seen and len(self._seen) >= 2 * MOST_STACKS:
                stack = (OTHERS,)
        self._seen[stack] += 1

    def document(self) -> dict[str, Any]:
        """What was seen, the most frequent first: whole stacks, and functions with the samples in which they were innermost
        (`self`), or anywhere (`total`)."""
        own: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for stack, times in self._seen.items():
            own[stack[-1] if stack else OTHERS] += times
            for frame in set(stack):
                total[frame] += times
        most = sorted(total, key=lambda name: (-own[name], -total[name], name))[:SHOWN_FUNCTIONS]
        return {
            "samples": self.samples,
            "torn": self.torn,
            "functions": [{"function": name, "self": own[name], "total": total[name]} for name in most],
            "stacks": [f"{';'.join(stack) or OTHERS} {times}" for stack, times in self._seen.most_common()],
        }


def frame_name(function: str, file: str, line: int | None = None) -> str:
    """How a frame is written: "Loop.run (appliance/worker/loop.py:112)", with the line at which the function begins, where that
    is known: all of a function's frames are one."""
    place = short(file) if line is None else f"{short(file)}:{line}"
    return f"{function} ({place})".replace(";", ",")


def short(file: str) -> str:
    """A file as it is imported from: without the folders that differ from host to host."""
    parts = PurePath(file).parts
    for mark in ("site-packages", "dist-packages"):
        if mark in parts:
            return "/".join(parts[parts.index(mark) + 1 :])
    for at, part in enumerate(parts):
        if part.startswith(("python3", "appliance_")) or (part == "appliance" and at + 1 < len(parts)):
            return "/".join(parts[at:])
    return "/".join(parts[-2:])
