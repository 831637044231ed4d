"""Bad instances leave the rotation and come back, in virtual time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.sdk.resilience.ejection import EjectionLimits, Ejections

THREE = ("a", "b", "c")


def ejections(names: tuple[str, ...] = THREE, **more: float) -> Ejections:
    made = Ejections(EjectionLimits(**more))  # type: ignore[arg-type]
    made.keep(names)
    return made


def fail(made: Ejections, name: str, now: float, times: int = 5) -> None:
    for _ in range(times):
        made.failed(name, now)


def test_five_failures_in_a_row_put_one_out_for_thirty_seconds() -> None:
    made = ejections()
    fail(made, "a", 1, 4)
    assert made.rotation(THREE, 1).used == THREE
    fail(made, "a", 1, 1)
    assert made.rotation(THREE, 30.9).used == ("b", "c")
    assert made.why_out("a", 5) == "5 calls in a row failed"
    assert made.rotation(THREE, 31).used == THREE


def test_a_success_between_them_counts() -> None:
    made = ejections()
    for _ in range(10):
        fail(made, "a", 1, 4)
        made.succeeded("a", 0.1, 1)
    assert made.rotation(THREE, 1).used == THREE


def test_each_time_it_is_out_longer_up_to_the_longest() -> None:
    made, now, waits = ejections(), 1.0, []
    for _ in range(12):
        fail(made, "a", now)
        waits.append(made.back_in("a", now))
        now += waits[-1]
    assert waits == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]


def test_good_intervals_take_its_times_back() -> None:
    made = ejections()
    fail(made, "a", 1)
    fail(made, "a", 31)
    assert made.back_in("a", 31) == 60
    for now in range(91, 200, 5):
        made.succeeded("a", 0.1, now)
    fail(made, "a", 200)
    assert made.back_in("a", 200) == 30


def test_a_sole_instance_is_used_and_it_is_said_that_it_is_bad() -> None:
    made = ejections(("a",))
    fail(made, "a", 1)
    rotation = made.rotation(["a"], 1)
    assert (rotation.used, rotation.degraded) == (("a",), True)
    assert not made.rotation(["a"], 31).degraded


def test_the_floor_keeps_those_that_would_be_back_first() -> None:
    names = tuple("abcdefgh")
    made = ejections(names, floor=0.5)
    for after, name in enumerate(names):
        fail(made, name, after)
    rotation = made.rotation(names, 8)
    assert rotation.used == tuple("abcd")
    assert rotation.degraded


def test_one_that_is_far_slower_than_the_others_is_out_within_two_intervals() -> None:
    made = ejections()
    for tick in range(41):
        for name in THREE:
            made.succeeded(name, 0.5 if name == "c" else 0.01, tick / 2)
    assert made.rotation(THREE, 20).used == ("a", "b")
    assert made.why_out("c", 20) == "its calls took 500 ms, the others' 10 ms"


def test_milliseconds_are_no_slowness_and_few_calls_no_proof() -> None:
    made = ejections()
    for tick in range(41):
        for name in THREE:
            made.succeeded(name, 0.04 if name == "c" else 0.001, tick / 2)
    made.succeeded("b", 9.0, 20)
    assert made.rotation(THREE, 31).used == THREE


def test_one_that_went_is_forgotten() -> None:
    made = ejections()
    fail(made, "a", 1)
    made.keep(["b"])
    made.failed("a", 1)
    made.keep(THREE)
    assert made.rotation(THREE, 2).used == THREE


@given(
    st.integers(1, 12),
    st.floats(0, 1),
    st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.floats(0, 20), st.floats(0, 2)), max_size=200),
)
def test_never_fewer_than_the_floor_and_never_nobody(
    count: int, floor: float, calls: list[tuple[int, bool, float, float]]
) -> None:
    names = tuple(f"n{number}" for number in range(count))
    made, now = ejections(names, floor=floor), 0.0
    for which, good, later, seconds in calls:
        now += later
        if good:
            made.succeeded(names[which % count], seconds, now)
        else:
            fail(made, names[which % count], now, 3)
        used = made.rotation(names, now).used
        assert len(used) >= max(1, floor * count)
        assert set(used) <= set(names)
    assert made.rotation(names, now + 301).used == names
