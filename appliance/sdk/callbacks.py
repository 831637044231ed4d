"""Functions of the program that are called when something happens: plain or asynchronous, and nothing they raise breaks
anything."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks

T = TypeVar("T")

log = get_logger("sdk")

Callback = Callable[[T], Awaitable[None] | None]


def called(callback: Callback[T] | None, what: T, tasks: Tasks) -> None:
    """Call it now; if it is asynchronous, it goes on among `tasks`. What it raises is logged as an error."""
    if callback is None:
        return
    try:
        said = callback(what)
    except Exception:
        log.exception("a callback failed", callback=getattr(callback, "__qualname__", repr(callback)))
        return
    if inspect.isawaitable(said):
        tasks.spawn(said, f"callback {getattr(callback, '__qualname__', callback)}")
