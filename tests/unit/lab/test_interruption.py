from __future__ import annotations

import os
import signal

import pytest

from appliance.lab import interruption


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_ends_what_is_being_done(number: signal.Signals) -> None:
    cleaned: list[signal.Signals] = []
    with pytest.raises(interruption.Interrupted) as caught:
        end_while_working(number, cleaned)
    assert cleaned == [number]
    assert caught.value.exit_code == 128 + number


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in interruption.SIGNALS]
    with interruption.raised():
        pass
    assert [signal.getsignal(number) for number in interruption.SIGNALS] == before


def test_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in interruption.not_ignored()
        with interruption.raised():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def end_while_working(number: signal.Signals, cleaned: list[signal.Signals]) -> None:
    with interruption.raised():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)  # an impatient admin
            cleaned.append(number)
