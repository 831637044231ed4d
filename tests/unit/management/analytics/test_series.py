from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.analytics.series import (
    EMPTY,
    FINE,
    MINUTE,
    MOST_WEIGHT,
    QUARTER,
    RESOLUTIONS,
    SILENT,
    Book,
    Cell,
    Key,
    Kind,
    Ring,
    counted,
    level,
)

NOW = 1_764_000_000
KEY = Key("sessions")
whole = st.integers(-1000, 1000).map(float)
cells = st.builds(lambda values: sum(map(level, values), EMPTY), st.lists(whole, min_size=1, max_size=4))


def book_of(*readings: tuple[int, float]) -> Book:
    book = Book()
    for at, value in readings:
        book.read(at, [(KEY, Kind.LEVEL, level(value))])
    return book


@given(st.lists(cells, max_size=6))
def test_cells_put_together_are_the_same_in_any_order(found: list[Cell]) -> None:
    assert sum(found, EMPTY) == sum(reversed(found), EMPTY)


def test_a_rate_is_what_was_counted_by_the_time_it_took() -> None:
    both = counted(100, 10) + counted(300, 10)
    assert (both.mean(Kind.RATE), both.total, both.least, both.most) == (20, 400, 10, 30)
    assert (level(1) + level(4)).mean(Kind.LEVEL) == 2.5
    assert EMPTY.mean(Kind.LEVEL) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e39])
def test_what_is_not_a_figure_is_not_kept(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        level(value)
    with pytest.raises(ValueError, match=r"finite|interval"):
        counted(value, 1)


@pytest.mark.parametrize("seconds", [0, -1, MOST_WEIGHT])
def test_no_time_is_no_interval(seconds: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        counted(1, seconds)


# ---- one ring, beside a list of everything that ever came ----

SLOTS = 7
deeds = st.lists(
    st.one_of(st.tuples(st.just("add"), st.integers(0, 40), cells), st.tuples(st.just("forget"), st.integers(0, 40), st.none())),
    max_size=30,
)


class Naive:
    """Remembers all, and cuts off what a ring could not have."""

    def __init__(self) -> None:
        self.cells: dict[int, Cell] = defaultdict(lambda: EMPTY)
        self.newest = -1

    def add(self, slot: int, cell: Cell) -> None:
        self.newest = max(self.newest, slot)
        self.cells[slot] += cell
        self.cut()

    def forget_after(self, slot: int) -> None:
        self.newest = min(self.newest, slot)
        self.cut()

    def cut(self) -> None:
        for slot in [slot for slot in self.cells if not self.newest - SLOTS < slot <= self.newest]:
            del self.cells[slot]


@given(deeds, st.integers(0, 40), st.integers(0, 40))
def test_a_ring_is_the_end_of_all_that_came(story: list[tuple[str, int, Cell]], first: int, last: int) -> None:
    ring, naive = Ring(10, SLOTS), Naive()
    for deed, slot, cell in story:
        if deed == "add":
            ring.add(slot, cell)
            naive.add(slot, cell)
        else:
            ring.forget_after(slot)
            naive.forget_after(slot)
    assert ring.newest == naive.newest
    assert dict(ring.cells(0, 100)) == dict(naive.cells)
    within = [cell for slot, cell in sorted(naive.cells.items()) if first <= slot <= last]
    assert ring.together(first, last) == sum(within, EMPTY)
    assert sorted(ring.means(first, last)) == sorted((cell.total / cell.weight, cell.weight) for cell in within)
    assert dict(ring.cells(first, last)) == {slot: naive.cells[slot] for slot in naive.cells if first <= slot <= last}


# ---- series ----


@given(st.lists(st.tuples(st.integers(0, 3000), whole), max_size=60))
def test_a_coarse_cell_is_exactly_its_fine_ones(readings: list[tuple[int, float]]) -> None:
    at, book = NOW // 900 * 900, Book()
    for offset, value in sorted(readings):
        book.read(at + offset, [(KEY, Kind.LEVEL, level(value))])
    if not readings:
        return
    rings = book.series[KEY].rings
    for coarse, fine in ((MINUTE, FINE), (QUARTER, MINUTE)):
        part = coarse.step // fine.step
        for slot, cell in rings[coarse].cells(0, NOW):
            assert cell == sum((rings[fine].at(slot * part + each) for each in range(part)), EMPTY)


def test_an_hour_a_day_and_a_month() -> None:
    book = book_of(*((NOW + second, 1.0) for second in range(0, 86400 * 2, 10)))
    end = NOW + 2 * 86400
    weights = [sum(cell.weight for _, cell in book.series[KEY].rings[each].cells(0, end)) for each in RESOLUTIONS]
    assert weights == [360, 8640, 17280]


def test_there_is_an_end_to_series_and_the_rest_is_counted() -> None:
    book = Book(most=2)
    book.read(NOW, [(Key("drops", str(number)), Kind.RATE, counted(1, 10)) for number in range(5)])
    assert [key.label for key in book.series] == ["0", "1"]
    assert book.refused == 3


def test_a_series_that_was_silent_for_a_day_gives_its_place() -> None:
    book = Book(most=1)
    old, new = ((Key("round-trip", name), Kind.LEVEL, level(1)) for name in ("gone", "came"))
    book.read(NOW, [old])
    book.read(NOW + SILENT - 1, [new])
    assert list(book.series) == [old[0]]
    book.read(NOW + SILENT, [new])
    assert list(book.series) == [new[0]]


def test_what_was_not_then_is_forgotten_when_the_clock_is_set_back() -> None:
    book = book_of((NOW, 1.0), (NOW + 7200, 2.0))
    book.forget_after(NOW + 60)
    assert [cell.total for _, cell in book.series[KEY].rings[MINUTE].cells(0, NOW + 8000)] == [1.0]
    book.read(NOW + 70, [(KEY, Kind.LEVEL, level(3))])
    assert [cell.total for _, cell in book.series[KEY].rings[QUARTER].cells(0, NOW)] == [4.0]
