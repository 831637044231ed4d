from __future__ import annotations

import pytest

from appliance_transport_quic.window import EMPTY_EVERY, LEAST, MOST, Window

TRIP = 0.05
RATE = 1_000_000.0
FITS = TRIP * RATE
QUIC = 14_000
"""Bytes of QUIC's own window."""


class Path:
    """Delivers RATE bytes a second, and loses a share of them. Too much under way makes the round trip longer."""

    def __init__(self, loss: float = 0.0) -> None:
        self.window, self.loss = Window(), loss
        self.now, self.sent, self.lost, self.delivered = 100.0, 0.0, 0.0, 0.0
        self.sizes: list[int] = []

    def run(self, seconds: float, *, rate: float = RATE) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += TRIP / 10
            under_way = self.sent - self.delivered - self.lost
            done = min(under_way * (TRIP / 10) / TRIP, rate * TRIP / 10)
            self.lost += done * self.loss
            self.delivered += done * (1 - self.loss)
            under_way = self.sent - self.delivered - self.lost
            self.window.note(self.now, int(self.sent), int(under_way), int(self.lost), max(TRIP, under_way / rate))
            self.sizes.append(self.window.size(self.now, QUIC))
            self.sent += max(0.0, self.sizes[-1] - under_way)


@pytest.mark.parametrize("loss", [0.0, 0.02, 0.1])
def test_it_finds_what_the_path_delivers_whatever_is_lost_by_chance(loss: float) -> None:
    path = Path(loss)
    path.run(3.0)
    assert 1.2 * FITS <= path.sizes[-1] <= 2.2 * FITS
    assert path.delivered > 0.8 * 3.0 * RATE * (1 - loss) - 4 * FITS


def test_it_holds_back_where_much_is_lost() -> None:
    path = Path(0.4)
    path.run(3.0)
    assert path.sizes[-1] <= 1.1 * FITS


def test_it_follows_a_path_that_becomes_slower_and_faster() -> None:
    path = Path()
    path.run(3.0)
    path.run(3.0, rate=RATE / 4)
    assert path.sizes[-1] <= 2.2 * FITS
    path.run(30.0, rate=RATE)
    assert path.sizes[-1] >= FITS


def test_now_and_then_it_lets_the_path_run_empty_and_then_goes_on() -> None:
    path = Path()
    path.run(2.5 * EMPTY_EVERY)
    assert path.sizes.count(LEAST) > 2
    assert path.sizes[-1] >= FITS


def test_it_is_bounded_and_begins_with_quics_own() -> None:
    window = Window()
    assert window.size(1.0, QUIC) == QUIC
    for step in range(1, 100):
        window.note(step / 10, step * 10**9, 1, 0, 0.05)
    assert window.size(9.95, QUIC) == MOST
