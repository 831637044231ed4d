"""Plugins that never come back: ended, and named with the hook and the line."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api import ENTRY_POINT_GROUP
from appliance.api.hookspecs import hookimpl
from appliance.errors import PluginFault
from appliance.foundation import patience
from appliance.foundation.patience import TookTooLong, limited
from appliance.plugin_host import PluginHost
from appliance.plugin_host.facts import PluginFact
from appliance.plugin_host.installed import Installed

ANY: Any = SimpleNamespace()


class Shelved(Installed):
    deed: Callable[[], object]

    def load(self) -> object:
        return self.deed()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.05)


def fact(load: Callable[[], object]) -> PluginFact:
    """How a plugin fares whose entry point names what `load` returns."""
    plugin = Shelved("slow", EntryPoint("slow", "x", ENTRY_POINT_GROUP), "dist-slow", "1.0")
    plugin.deed = load
    [found] = PluginHost.load(["slow"], {"slow": plugin}).facts
    return found


def loops() -> None:
    while True:
        pass


def shrugs() -> None:
    while True:
        with suppress(Exception):
            loops()


def waits() -> None:
    threading.Event().wait()


def listens() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def yields() -> Iterator[object]:
    waits()
    yield


@pytest.mark.parametrize("hangs", [loops, shrugs, waits, listens, yields])
def test_a_hook_that_hangs_is_ended_and_named(hangs: Callable[[], object]) -> None:
    found = fact(lambda: SimpleNamespace(appliance_crypto_suites=hookimpl(hangs)))
    assert (found.state, found.stage) == ("failed", "register")
    assert found.problem.startswith("appliance_crypto_suites did not end within 0.05 s (")


def test_the_line_where_it_hung_is_told() -> None:
    found = fact(lambda: SimpleNamespace(appliance_crypto_suites=hookimpl(loops)))
    line = loops.__code__.co_firstlineno
    assert any(f"(plugin_host/test_patience.py:{at})" in found.problem for at in (line + 1, line + 2))


def test_in_another_thread_it_is_left_behind() -> None:
    released = threading.Event()

    def hangs() -> None:
        released.wait()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(fact, lambda: SimpleNamespace(appliance_crypto_suites=hookimpl(hangs))).result()
    released.set()
    assert found.problem.startswith("appliance_crypto_suites did not end within 0.05 s (")


def test_an_import_that_hangs_is_ended() -> None:
    found = fact(waits)
    assert (found.state, found.stage) == ("failed", "import")
    assert found.problem.startswith("did not end within 0.05 s")


def in_a_thread(deed: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(deed).result()


def fails() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("call", [lambda deed: deed(), in_a_thread], ids=["main thread", "another"])
def test_who_comes_back_in_time_notices_nothing(call: Callable[[Callable[[], object]], object]) -> None:
    before = signal.getsignal(signal.SIGALRM)
    assert call(lambda: limited(lambda: "answer")) == "answer"
    with pytest.raises(ZeroDivisionError):
        call(lambda: limited(fails))
    assert signal.getsignal(signal.SIGALRM) is before


def test_the_alarm_around_it_still_rings() -> None:
    def outer() -> None:
        with pytest.raises(TookTooLong, match=r"within 0\.02 s"):
            limited(waits, 0.02)
        waits()

    with pytest.raises(TookTooLong, match=r"within 0\.06 s"):
        limited(outer, 0.06)


def test_a_hook_that_keeps_the_event_loop_waiting_has_less_time_than_one_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SECONDS", 5.0)
    go_on = threading.Event()
    hooks = SimpleNamespace(appliance_load_identity=hookimpl(lambda reference: b"key" if go_on.wait(2) else None))
    plugin = Shelved("slow", EntryPoint("slow", "x", ENTRY_POINT_GROUP), "dist-slow", "1.0")
    plugin.deed = lambda: hooks
    host = PluginHost.load(["slow"], {"slow": plugin})
    host.hurry(0.05)
    threading.Timer(0.3, go_on.set).start()
    with ThreadPoolExecutor() as pool:
        assert pool.submit(host.load_identity, "vault:x", ANY).result() == b"key"
    go_on.clear()
    for reason in ("did not end within 0.05 s", "hung and is not asked again"):
        with pytest.raises(PluginFault, match=reason):
            host.load_identity("vault:x", ANY)


def test_somebody_elses_alarm_that_rings_all_the_time_stays_his() -> None:
    rings = 0

    def ring(_number: int, _frame: object) -> None:
        nonlocal rings
        rings += 1
        signal.setitimer(signal.ITIMER_REAL, 0.0002)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002)
        for number in range(20_000):
            limited(lambda: None, 30.0)
            seen = rings
            spins = 0 if number % 200 else 100_000_000  # each call sets it back to a millisecond
            while spins and rings == seen:
                spins -= 1
            assert spins or number % 200, "the alarm is lost"
        assert signal.getsignal(signal.SIGALRM) is ring
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rings >= 100
