"""The watch in virtual time: a reading each ten seconds."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from appliance.management.analytics import anomalies
from appliance.management.analytics.anomalies import (
    ADOPT,
    CALM,
    CONFIRM,
    FLAP_SECONDS,
    FLAPS,
    MOST_OVER,
    MOST_RAISED,
    MOST_WATCHED,
    REST,
    Watch,
)
from appliance.management.analytics.measures import Reading
from appliance.management.analytics.series import Key, Kind, counted, level
from appliance.management.analytics.usual import WARM_UP

NOON = 1_764_072_000
EVERY = 10


class Story:
    """Readings follow each other; `watch` hears them."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.at = NOON
        self.told: list[tuple[bool, str, int]] = []

    def hears(self, *readings: Reading, times: int = 1, document: dict[str, Any] | None = None, jump: float = 0.0) -> Story:
        for _ in range(times):
            changes = self.watch.take(self.at, readings, document or {}, jump)
            self.told += [(each.began, each.anomaly.rule, self.at) for each in changes]
            self.at += EVERY
        return self

    def rules(self) -> list[str]:
        return [one.rule for one in self.watch.now()]


def drops(rate: float, reason: str = "no_session") -> Reading:
    return Key("drops", reason), Kind.RATE, counted(rate * EVERY, EVERY)


def trip(seconds: float, peer: str = "office") -> Reading:
    return Key("round-trip", peer), Kind.LEVEL, level(seconds)


def opened(number: int, peer: str = "office") -> Reading:
    return Key("sessions.opened", peer), Kind.RATE, counted(number, EVERY)


def free(bytes_: float) -> Reading:
    return Key("disk.free"), Kind.LEVEL, level(bytes_)


def usual(reading: Reading) -> Story:
    return Story().hears(reading, times=WARM_UP)


def test_drops_that_rise_are_told_with_what_is_usual_and_since_when() -> None:
    story = usual(drops(0.2))
    began = story.at
    story.hears(drops(40), times=CONFIRM)
    (found,) = story.watch.now()
    assert (found.rule, found.label, found.since, found.until, found.value) == ("drops-rising", "no_session", began, None, 40.0)
    assert found.reason == "drops no_session: 40/s, usual 0.2/s ± 0.02, since 12:05 UTC"
    assert "troubleshooting" in found.todo


def test_its_beginning_and_its_end_are_told_once() -> None:
    story = usual(drops(0.2))
    began = story.at
    story.hears(drops(40), times=100).hears(drops(0.2), times=100)
    assert story.told == [
        (True, "drops-rising", began + (CONFIRM - 1) * EVERY),
        (False, "drops-rising", began + (100 + CALM - 1) * EVERY),
    ]


def test_a_clock_that_was_set_begins_and_is_over() -> None:
    story = Story().hears(jump=30.0).hears()
    assert story.told == [(True, "clock-jump", NOON), (False, "clock-jump", NOON)]


@pytest.mark.parametrize("rate", [0.5, 1.1])
def test_little_is_not_told(rate: float) -> None:
    assert not usual(drops(0.2)).hears(drops(rate), times=20).rules(), "one a second more is nothing"


def test_until_something_is_usual_nothing_is_unusual() -> None:
    assert not Story().hears(drops(0.1), times=WARM_UP - 1).hears(drops(1000), times=2).rules()


def test_one_reading_is_an_accident() -> None:
    story = usual(drops(0))
    for _ in range(20):
        story.hears(drops(100), times=CONFIRM - 1).hears(drops(0))
    assert not story.rules()
    assert not story.watch.over()


def test_what_wavers_is_one_thing_and_not_many() -> None:
    """Above the limit, below it, but never back to the usual."""
    story = usual(drops(0)).hears(drops(40), times=CONFIRM)
    for _ in range(30):
        story.hears(drops(0.8)).hears(drops(40), times=2)
    assert story.rules() == ["drops-rising"]
    assert not story.watch.over()


def test_it_is_over_when_it_has_been_calm_for_a_minute_and_rests_then() -> None:
    story = usual(drops(0)).hears(drops(40), times=CONFIRM).hears(drops(0), times=CALM - 1)
    assert story.rules() == ["drops-rising"]
    story.hears(drops(0))
    assert not story.rules()
    (past,) = story.watch.over()
    assert past.until == story.at - EVERY
    assert past.reason.endswith("from 12:05 UTC to 12:06 UTC")
    story.hears(drops(40), times=10).hears(drops(0), times=CALM)
    assert not story.rules(), "it rests"
    assert story.watch.held_back == 1
    story.hears(drops(0), times=REST // EVERY).hears(drops(40), times=CONFIRM)
    assert story.rules() == ["drops-rising"]


def test_what_lasts_for_an_hour_is_usual() -> None:
    story = usual(drops(0)).hears(drops(40), times=ADOPT // EVERY + WARM_UP + CONFIRM)
    assert not story.rules()
    assert len(story.watch.over()) == 1
    story.hears(drops(0.1), times=60).hears(drops(40), times=CONFIRM)
    assert not story.rules(), "that is half as usual as what is now"


def test_what_is_raised_does_not_become_usual_meanwhile() -> None:
    story = usual(drops(0.2)).hears(drops(40), times=200)
    assert "usual 0.2/s" in story.watch.now()[0].reason


def test_a_round_trip_that_doubled() -> None:
    story = usual(trip(0.03)).hears(trip(0.055), times=10)
    assert not story.rules()
    story.hears(trip(0.09), times=CONFIRM)
    assert story.watch.now()[0].reason.startswith("round trip to office: 0.09 s, usual 0.03")
    assert not usual(trip(0.001)).hears(trip(0.01), times=10).rules(), "ten times, and still fast"


def test_a_session_that_begins_again_and_again() -> None:
    story = Story().hears(opened(1), opened(0, "home"), times=FLAPS + CONFIRM - 2)
    assert not story.rules()
    story.hears(opened(1))
    (found,) = story.watch.now()
    assert (found.rule, found.label) == ("session-flapping", "office")
    assert found.reason.startswith("sessions with office: 6 began within 50 seconds")
    story.hears(opened(0), times=FLAP_SECONDS // EVERY + CALM)
    assert not story.rules()


def test_sessions_that_are_renewed_are_not_flapping() -> None:
    story = Story()
    for _ in range(20):
        story.hears(opened(1)).hears(opened(0), times=12)
    assert not story.rules()


def test_a_clock_that_is_set_is_told_once() -> None:
    story = Story().hears(jump=-3700.0).hears(jump=5.0)
    (found,) = story.watch.over()
    assert found.reason == "this host's clock was set back by 62 minutes, from 12:00 UTC to 12:00 UTC"
    assert story.watch.held_back == 1
    assert not story.rules()


def test_a_disk_that_fills() -> None:
    story = Story()
    for number in range(40 * 6):
        story.hears(free(10e9 - number * 2e6))
    (found,) = story.watch.now()
    assert found.rule == "disk-filling"
    assert found.reason.startswith("8.9 GiB are free for the state folder, 687 MiB less each hour: full in 13 hours")
    for number in range(90 * 6):
        story.hears(free(9e9 + number))
    assert not story.rules()


def test_a_disk_that_empties_or_fills_in_weeks() -> None:
    story = Story()
    for number in range(80 * 6):
        story.hears(free(10e9 - number * 1e4))
    assert not story.rules()


def test_limits_are_told_in_the_same_way() -> None:
    slow = {"uptime": 3600.0, "loop": {"longest": 0.4, "late": 1}}
    story = Story().hears(document=slow, times=CONFIRM)
    assert story.watch.now()[0].reason == (
        "a turn of the event loop took 0.40 s within the last minute; 0.25 s is long, since 12:00 UTC"
    )
    assert not story.hears(times=CALM).rules()


def test_errors_of_the_api() -> None:
    def failed(rate: float) -> Reading:
        return Key("api.requests", "5xx"), Kind.RATE, counted(rate * EVERY, EVERY)

    story = usual(failed(0)).hears(failed(1), times=CONFIRM)
    assert story.rules() == ["api-failing"]


def many(name: str, number: int, rate: float) -> Iterable[Reading]:
    return (drops(rate, f"{name}-{each}") for each in range(number))


def test_there_is_no_storm() -> None:
    story = Story().hears(*many("reason", 200, 0), times=WARM_UP).hears(*many("reason", 200, 50), times=CONFIRM + 5)
    assert len(story.rules()) == MOST_RAISED
    assert story.watch.held_back == 200 - MOST_RAISED


def test_whatever_comes_its_memory_is_bounded() -> None:
    story, chance = Story(), random.Random(7)
    for turn in range(60):
        names = [f"{turn % 3}-{chance.randrange(2000)}" for _ in range(600)]
        readings = [drops(chance.choice((0, 50)), name) for name in names] + [opened(9, name) for name in names]
        story.hears(*readings, free(1e9), document={"loop": {"longest": 9, "late": 1}}, jump=chance.choice((0, 100)))
    watch = story.watch
    assert watch.unwatched
    assert len(watch.usual) <= MOST_WATCHED
    assert len(watch._opened) <= MOST_WATCHED
    assert len(watch.states) <= 2 * MOST_WATCHED + 10
    assert len(watch.over()) <= MOST_OVER
    assert len(watch.now()) <= MOST_RAISED


def test_what_is_not_heard_of_any_more_is_forgotten() -> None:
    story = usual(drops(1)).hears(drops(50), opened(1), times=CONFIRM)
    story.at += anomalies.FORGET
    story.hears(times=CALM)
    story.at += REST
    story.hears()
    watch = story.watch
    assert not watch.usual
    assert not watch.states
    assert not watch._opened


def test_a_clock_that_goes_back_leaves_no_anomaly_that_ends_before_it_began() -> None:
    story = usual(drops(0)).hears(drops(40), times=CONFIRM)
    story.at -= 100_000
    story.hears(drops(40), times=2).hears(drops(0), times=CALM)
    assert not story.rules()
    assert all(one.until is not None and one.until >= one.since for one in story.watch.over())
