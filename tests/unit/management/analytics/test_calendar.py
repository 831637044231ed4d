from __future__ import annotations

from appliance.management.analytics.calendar import DOUBT, FAR, Calendar, Moment

NOW = 1_764_000_000
EVERY = 10


def told(*walls: float) -> list[Moment]:
    calendar = Calendar()
    return [calendar.moment(wall, EVERY * number) for number, wall in enumerate(walls)]


def test_clocks_that_agree() -> None:
    assert told(NOW, NOW + 10, NOW + 20.6) == [Moment(NOW, None), Moment(NOW + 10, 10), Moment(NOW + 20, 10)]


def test_a_step_of_a_second_back_changes_nothing() -> None:
    first, second = told(NOW + 10.5, NOW + 9)[:2]
    assert first.at == second.at == NOW + 10, "time does not go backwards"
    assert not second.back


def test_a_clock_that_is_set_back_makes_the_later_untrue() -> None:
    _, moment, after = told(NOW, NOW - 500 + 10, NOW - 500 + 20)
    assert moment == Moment(NOW - 490, 10, jump=-500, back=True)
    assert after == Moment(NOW - 480, 10)


def test_a_clock_that_is_set_a_little_ahead_leaves_a_gap() -> None:
    assert told(NOW, NOW + 600 + 10)[1] == Moment(NOW + 610, 10, jump=600)


def test_one_that_is_set_far_ahead_is_believed_after_a_minute() -> None:
    far = NOW + 10 * FAR
    moments = told(NOW, *(far + EVERY * number for number in range(1, 9)))[1:]
    assert [moment.at for moment in moments[:6]] == [None] * 6
    assert moments[0].jump == 10 * FAR
    assert moments[6].at == far + 70, f"{DOUBT} seconds later"


def test_one_that_comes_back_at_once_has_done_no_harm() -> None:
    moments = told(NOW, NOW + 1e9, NOW + 1e9 + 10, NOW + 30)
    assert [moment.at for moment in moments] == [NOW, None, None, NOW + 30]
    assert not moments[-1].back


def test_what_is_known_already_is_later_than_a_clock_that_went_back() -> None:
    calendar = Calendar()
    calendar.was(NOW + 1000)
    assert calendar.moment(NOW, 0) == Moment(NOW, None, back=True)


def test_before_1970_is_1970() -> None:
    assert told(-5)[0].at == 0
