"""How often the watch looks at a loop that does not turn. What it does to plugins is in test_plugin_calls.py."""

from __future__ import annotations

import signal
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest

from appliance.runtime.plugins.loop_watch import SELDOM, SOON, LoopWatch

WATCHDOG_SECONDS = 60.0
"""Of the systemd unit."""
PIPE_HOLDS = 277
"""Signals that Python writes down before somebody reads them, and before it complains about each further one."""


async def test_a_host_that_has_no_time_for_us_is_not_looked_at_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, handlers = list[float](), list[Callable[..., Any]]()
    monkeypatch.setattr(signal, "signal", lambda _number, handler: handlers.append(handler))
    monkeypatch.setattr(signal, "setitimer", lambda _which, seconds: pauses.append(seconds))
    watch = LoopWatch(lambda _frame: None)
    watch.start()
    pauses.clear()
    for _ in range(PIPE_HOLDS):
        handlers[0](signal.SIGALRM, None)
    watch.stop()
    assert pauses[0] == SOON
    assert max(pauses) == SELDOM
    assert sum(at < WATCHDOG_SECONDS for at in accumulate(pauses)) < PIPE_HOLDS / 2
