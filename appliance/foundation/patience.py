"""Limits for what a plugin does while everybody waits: its import, its hooks, and what it does on the event loop.

Whatever a plugin raises comes out as an Exception: `sys.exit`, a KeyboardInterrupt that nobody pressed and the like become
`Escaped`.

In the main thread, the process's own alarm (ITIMER_REAL, SIGALRM) raises in the middle of what hangs: a loop, a sleep, a socket,
a lock. It cannot end C code that does not return to the interpreter, nor a plugin that catches even BaseException and goes on.
Other threads get no signals: from there, the call is made in one more thread, which is left behind if it hangs. A hook that was
ended may leave its work half done, as after any other exception.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Result = TypeVar("Result")

SECONDS = 30.0
"""Chosen: a security module that waits for a finger on its button is served, and with two such plugins a start still ends within
systemd's 90 s."""
LIBRARY = os.__file__.rpartition("/")[0] + "/"
AGAIN = 0.25
"""Seconds until something that was told to end, and went on, is told again."""
SOON = 0.001
"""Seconds until an alarm of somebody else's that is due, or rang while it could not be told, rings."""


class TookTooLong(Exception):
    """The limit ended it. The text continues a sentence that begins with the name of what was called."""


class Escaped(Exception):
    """A plugin raised something that is not an Exception. Code that catches exceptions catches it in this form."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause
        """What it raised."""


class HeldUp(BaseException):
    """Raised in the middle of a plugin that keeps the event loop from turning (`runtime.plugins.loop_watch`)."""


class _Alarm(BaseException):
    """Not an Exception, so that no `except Exception` in the plugin's code takes it for an error of its own."""


class _Pressed(KeyboardInterrupt):
    """Somebody pressed Ctrl-C. The plugin that was running is not at fault."""


def be_brief(seconds: float) -> None:
    """From now on this process waits so long where nothing else is said: for checks, which serve no module with a button."""
    global SECONDS  # noqa: PLW0603  a choice of the whole process, made once by its main function
    SECONDS = seconds


def limited(deed: Callable[[], Result], seconds: float | None = None) -> Result:
    """What `deed` returns or raises. Raises TookTooLong if it takes longer than `seconds` (None: SECONDS), and Escaped if it
    raised something that is not an Exception. The user's Ctrl-C goes through."""
    limit = SECONDS if seconds is None else seconds
    try:
        if threading.current_thread() is not threading.main_thread():
            return _beside(deed, limit)
        with _alarm(limit), _told_apart():
            return deed()
    except (Exception, _Pressed):
        raise
    except BaseException as error:
        raise as_exception(error) from error


def as_exception(error: BaseException) -> Exception:
    """What a plugin raised, as something that `except Exception` catches."""
    if isinstance(error, Exception):
        return error
    return TookTooLong(str(error)) if isinstance(error, HeldUp) else Escaped(error)


@contextmanager
def _told_apart() -> Iterator[None]:
    """In this context a Ctrl-C raises _Pressed, so that a KeyboardInterrupt of the plugin itself is not taken for one."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def press(_number: int, _frame: FrameType | None) -> None:
        raise _Pressed

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _alarm(limit: float) -> Iterator[None]:
    armed = over = theirs = False
    where = ""

    def ring(_number: int, frame: FrameType | None) -> None:
        nonlocal where, theirs
        if over:
            return
        if not armed or signal.getitimer(signal.ITIMER_REAL)[0]:  # ours has not expired: somebody else's did, just before
            theirs = True
            return
        where = where or place(frame)
        signal.setitimer(signal.ITIMER_REAL, AGAIN)  # a bare `except:` may have taken it for an error of its own
        raise _Alarm

    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, limit)
    armed = True
    try:
        yield
    except _Alarm:
        raise TookTooLong(f"did not end within {limit:g} s{where}") from None
    finally:
        over = True
        remaining, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if theirs:
            left = SOON
        if left:  # somebody else's alarm, for instance of the limit around this one
            signal.setitimer(signal.ITIMER_REAL, max(left - (limit - remaining), SOON), interval)


def _beside(deed: Callable[[], Result], limit: float) -> Result:
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(deed())
        except BaseException as error:  # noqa: BLE001  raised again where it was called
            done.set_exception(error)

    thread = threading.Thread(target=run, name="hook", daemon=True)
    thread.start()
    if wait([done], limit).not_done:
        frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  documented, and named so as a warning
        raise TookTooLong(f"did not end within {limit:g} s{place(frame)}")
    return done.result()


def place(frame: FrameType | None) -> str:
    """Where a frame is, as the end of a sentence: the innermost line that is not of Python's own library, if there is one."""
    inner = frame
    while inner is not None and (inner.f_code.co_filename.startswith(LIBRARY) or inner.f_code.co_filename.startswith("<")):
        inner = inner.f_back
    frame = inner or frame
    if frame is None:
        return ""
    return f" ({'/'.join(frame.f_code.co_filename.rsplit('/', 2)[-2:])}:{frame.f_lineno})"
