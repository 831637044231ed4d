from __future__ import annotations

import pytest

from appliance.management.analytics.series import FINE, MINUTE, QUARTER, Book, Key, Kind, counted, level
from appliance.management.analytics.summary import LONGEST, Window, figures, names, percentiles, points, summary, top

NOW = 1_764_000_000


def book_of_an_hour() -> Book:
    """Ten seconds each: 100 bytes from one peer, 10 from another and twenty to it; the round trip is the minute."""
    book = Book()
    for second in range(0, 3600, 10):
        book.read(
            NOW + second,
            [
                (Key("traffic.received"), Kind.RATE, counted(110, 10)),
                (Key("traffic.received", "office"), Kind.RATE, counted(100, 10)),
                (Key("traffic.received", "home"), Kind.RATE, counted(10, 10)),
                (Key("traffic.sent", "home"), Kind.RATE, counted(20, 10)),
                (Key("drops", "full"), Kind.RATE, counted(second == 600, 10)),
                (Key("sessions"), Kind.LEVEL, level(2 + (second >= 1800))),
                (Key("round-trip", "office"), Kind.LEVEL, level(second // 60 + 1)),
            ],
        )
    return book


BOOK = book_of_an_hour()
END = NOW + 3599
HOUR = Window.of(END, 3590)


@pytest.mark.parametrize(
    ("seconds", "resolution"),
    [(60, FINE), (3590, FINE), (3600, MINUTE), (86000, MINUTE), (90000, QUARTER), (LONGEST * 9, QUARTER)],
)
def test_the_finest_that_goes_back_so_far(seconds: int, resolution: object) -> None:
    window = Window.of(END, seconds)
    assert window.resolution is resolution
    assert window.begins <= END < window.ends
    assert window.last - window.first < window.resolution.slots


def test_a_window_is_never_empty() -> None:
    assert Window.of(END, 0).first == Window.of(END, 0).last
    assert Window.of(5, 3600).first == 0


def test_a_period_in_a_few_figures() -> None:
    told = summary(BOOK, HOUR, 10)
    assert (told["from"], told["to"], told["step_s"]) == (NOW, NOW + 3600, 10)
    assert told["traffic"]["received"] == {"total": 39600, "mean": 11, "most": 11}
    assert told["traffic"]["peers"] == [
        {"peer": "office", "received": 36000, "sent": 0},
        {"peer": "home", "received": 3600, "sent": 7200},
    ]
    assert told["sessions"]["there"] == {"least": 2, "mean": 2.5, "most": 3}
    assert told["drops"]["reasons"][0]["total"] == 1
    assert told["round_trip"] == [{"peer": "office", "least_s": 1, "p50_s": 30, "p95_s": 57, "most_s": 60}]
    assert told["jobs"] == []


def test_of_nothing_there_are_zeros() -> None:
    told = summary(Book(), HOUR, 10)
    assert told["traffic"]["sent"] == {"total": 0, "mean": 0, "most": 0}
    assert percentiles(Book(), Key("round-trip", "nobody"), HOUR, 0.5) == [0]


def test_the_most_come_first_and_not_more_than_asked_for() -> None:
    assert [one.key.label for one in top(BOOK, "traffic.received", HOUR, 10)] == ["office", "home"]
    assert len(top(BOOK, "traffic.received", HOUR, 1)) == 1


def test_all_resolutions_say_the_same_of_an_hour() -> None:
    windows = [Window(each, NOW // each.step, END // each.step) for each in (FINE, MINUTE, QUARTER)]
    assert {figures(BOOK, Key("traffic.received"), window).cell.total for window in windows} == {39600}


def test_what_a_chart_draws() -> None:
    key = Key("traffic.received", "office")
    drawn = points(BOOK, key, HOUR, 60)
    assert len(drawn) == 60
    assert drawn[0] == {"at": NOW, "mean": 10, "least": 10, "most": 10, "total": 600}
    assert len(points(BOOK, key, HOUR, 100000)) == 360
    assert points(BOOK, Key("drops", "unheard of"), HOUR) == []
    assert "total" not in points(BOOK, Key("sessions"), HOUR)[0], "a sum of levels says nothing"


def test_which_series_there_are() -> None:
    found = {(one["metric"], one["label"]): one for one in names(BOOK)}
    assert len(found) == 7
    assert found["round-trip", "office"]["unit"] == "seconds"
