"""What a service manager or a terminal tells the daemon."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from appliance.runtime import signals as module
from appliance.runtime.signals import Signals


async def heard(said: list[str], number: int) -> list[str]:
    async with asyncio.timeout(60):
        while len(said) < number:  # noqa: ASYNC110  the kernel tells nobody else
            await asyncio.sleep(0)
    return said


async def test_signals_end_it_or_have_it_read_its_profile_anew() -> None:
    said: list[str] = []
    Signals(said.append, lambda: said.append("reload")).listen(attended=False)
    try:
        for number, signum in enumerate((signal.SIGHUP, signal.SIGTERM, signal.SIGINT), 1):
            os.kill(os.getpid(), signum)
            await heard(said, number)
    finally:
        for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(signum)
    assert said == ["reload", "signal SIGTERM", "signal SIGINT"]


async def test_the_end_of_standard_input_ends_it_where_somebody_holds_that_open(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    reading, writing = os.pipe()
    monkeypatch.setattr(module, "STANDARD_INPUT", reading)
    Signals(said.append, lambda: None).listen(attended=True)
    try:
        os.write(writing, b"typed")
        for _ in range(10):
            await asyncio.sleep(0)
        assert not said
        os.close(writing)
        assert await heard(said, 1) == ["standard input has ended"]
    finally:
        for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(signum)
        os.close(reading)
