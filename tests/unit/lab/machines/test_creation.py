"""Machines that take long are created side by side, and none goes on when another one cannot be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from appliance.lab.machines.creation import create
from appliance.lab.machines.machine import LabFailure

PATIENCE = 30.0


class Created:
    """As much of a machine as `create` has to do with."""

    def __init__(self, does: Callable[[Created], object], at_a_time: int = 16) -> None:
        self.does = does
        self.at_a_time = at_a_time
        self.claims: Callable[[], object] = lambda: None
        self.brings: Callable[[], object] = lambda: None
        self.begun = False
        self.abandoned = threading.Event()

    def claim(self) -> None:
        self.claims()

    def bring(self) -> None:
        self.brings()

    def create(self) -> None:
        self.begun = True
        self.does(self)

    def abandon(self) -> None:
        self.abandoned.set()


def all_of(*machines: Any) -> None:
    create(machines)


def test_those_that_take_long_are_created_side_by_side() -> None:
    met = threading.Barrier(3, timeout=PATIENCE)
    machines = [Created(lambda _: met.wait()) for _ in range(3)]
    all_of(*machines)
    assert not any(each.abandoned.is_set() for each in machines)


@pytest.mark.parametrize("stage", ["claims", "brings"])
def test_all_can_be_had_before_one_is_changed(stage: str) -> None:
    def refused() -> None:
        raise LabFailure("it has a node of its own")

    first, second = Created(lambda _: None), Created(lambda _: None)
    setattr(second, stage, refused)
    with pytest.raises(LabFailure, match="a node of its own"):
        all_of(first, second)
    assert not first.begun


def test_others_one_after_the_other() -> None:
    order: list[int] = []
    all_of(*(Created(lambda _, number=number: order.append(number), at_a_time=1) for number in range(5)))  # type: ignore[misc]
    assert order == [0, 1, 2, 3, 4]


def test_if_one_cannot_be_the_others_hear_of_it_and_what_went_wrong_first_is_told() -> None:
    def gone(machine: Created) -> None:
        assert machine.abandoned.wait(PATIENCE)
        raise LabFailure("nothing more is begun on this one")

    def refused(_: Created) -> None:
        raise LabFailure("it has a node of its own")

    with pytest.raises(LabFailure, match="it has a node of its own"):
        all_of(Created(gone), Created(refused))


def test_none_is_begun_after_one_that_cannot_be() -> None:
    def refused(_: Created) -> None:
        raise LabFailure("no")

    first, second = Created(refused, at_a_time=1), Created(lambda machine: machine.abandoned.wait(PATIENCE), at_a_time=1)
    last = Created(lambda _: None, at_a_time=1)
    with pytest.raises(LabFailure):
        all_of(first, second, last)
    assert not last.begun
