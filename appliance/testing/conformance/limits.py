"""What every suite has: a limit in time for each test, and the members of the protocol that its subject has to have."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

AGAIN = 0.25
"""Seconds until a subject that did not end at its limit is ended again."""
_SOON = 0.01
"""Seconds until a subject is ended that could not be at its limit."""
_DEPTH = 12
"""Calls that coverage makes of others."""


class Limited:
    """A base of the suites."""

    seconds = 30.0
    """How long each test may take; the longest of ours takes two. Give a slow kind more."""

    def subject(self) -> str:
        """What is tried, for the messages."""
        return type(self).__name__

    @pytest.fixture(autouse=True)
    def in_time(self) -> Iterator[None]:
        """Each test ends."""
        with within(self.seconds, self.subject()):
            yield


@contextmanager
def within(seconds: float, subject: str) -> Iterator[None]:
    """Fail in the middle of whatever hangs. Outside of the main thread there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    tests = 0

    def ring(_number: int, frame: FrameType | None) -> None:
        nonlocal tests
        if _is_measured(frame):
            signal.setitimer(signal.ITIMER_REAL, _SOON)
            return
        if _tests(frame) < tests:
            return  # the first ring has ended the test, and pytest writes down how
        tests = _tests(frame)
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
        where = "" if frame is None else f", at {frame.f_code.co_filename}:{frame.f_lineno}"
        pytest.fail(f"{subject} did not end within {seconds:g} s{where}", pytrace=False)

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        remaining, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # somebody else's limit goes on
            signal.setitimer(signal.ITIMER_REAL, max(left - (seconds - remaining), 0.001))


def _is_measured(frame: FrameType | None) -> bool:
    """Does coverage write something down in this frame? It may have a lock that it would never give back."""
    for _ in range(_DEPTH):
        if frame is None:
            return False
        if f"{os.sep}coverage{os.sep}" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _tests(frame: FrameType | None) -> int:
    """How many tests run in this frame, one inside the other, rather than what pytest does before and after them."""
    found = 0
    while frame is not None:
        found += frame.f_code.co_name == "pytest_pyfunc_call"
        frame = frame.f_back
    return found


def open_descriptors() -> int:
    """Of this process, now."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def members(protocol: type[Any]) -> list[str]:
    """What a protocol demands, its bases' members included."""
    found: dict[str, None] = {}
    for base in reversed(protocol.__mro__):
        if getattr(base, "_is_protocol", False):
            names = [*vars(base).get("__annotations__", ()), *vars(base)]
            found |= dict.fromkeys(name for name in names if not name.startswith("_"))
    return list(found)


def missing(subject: object, protocol: type[Any]) -> list[str]:
    """Members of a protocol that `subject` does not have."""
    return [name for name in members(protocol) if not hasattr(subject, name)]
