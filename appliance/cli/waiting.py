"""A line for who waits: said once when something takes longer than usual, to a person only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from appliance.cli.terminal import Terminal

SAID_AFTER: Final = 1.0
"""Seconds."""


@contextmanager
def waiting(terminal: Terminal, sentence: str, after: float = SAID_AFTER) -> Iterator[None]:
    """Say `sentence` on standard error if what is inside takes longer than `after` seconds, and a person looks."""
    timer = threading.Timer(after, terminal.note, (sentence,))
    timer.daemon = True
    if terminal.err_is_tty:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
