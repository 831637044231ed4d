"""What is deleted by age is deleted by a clock that has gone right for an hour."""

from __future__ import annotations

from appliance.api.slowest_clock import HOLD, SlowestClock

NOW = 1_800_000_000.0
DAY = 86_400.0


class Story:
    """A host's two clocks, looked at once a minute."""

    def __init__(self) -> None:
        self.clock = SlowestClock()
        self.wall, self.elapsed = NOW, 5.0

    def after(self, seconds: float) -> float:
        """What is over for certain when so much time has passed, seen from the wall clock."""
        for _ in range(int(seconds // 60)):
            self.wall += 60
            self.elapsed += 60
            said = self.clock.read(self.wall, self.elapsed)
        return said - self.wall


def test_after_a_start_nothing_is_over_for_an_hour() -> None:
    story = Story()
    assert story.after(HOLD) == -float("inf")
    assert story.after(120) == 0


def test_a_clock_that_was_set_ahead_is_believed_after_an_hour() -> None:
    story = Story()
    story.after(2 * HOLD)
    story.wall += DAY
    assert story.after(HOLD) == -DAY
    assert story.after(HOLD) == 0


def test_what_was_set_ahead_and_back_again_has_done_no_harm() -> None:
    story = Story()
    story.after(2 * HOLD)
    story.wall += 10_000 * DAY
    assert story.after(HOLD - 60) == -10_000 * DAY
    story.wall -= 10_000 * DAY
    assert story.after(10 * HOLD) == 0


def test_a_clock_that_goes_back_is_believed_at_once() -> None:
    story = Story()
    story.after(2 * HOLD)
    story.wall -= DAY
    assert story.after(60) == 0
