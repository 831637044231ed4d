"""A command that changes the host ends on SIGTERM and on a lost terminal as on Ctrl-C: what it began is undone first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """Ended by a signal; `exit_code` is what a shell reports for it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def stopping_like_ctrl_c() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise KeyboardInterrupt (in asyncio: cancel the main task). Raises Stopped for them."""
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
        seen.append(number)
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(seen[0] if seen else signal.SIGINT) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
