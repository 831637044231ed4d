"""What a link lost is said while it loses, and once more when it no longer does."""

from __future__ import annotations

from typing import Any

from appliance.worker.losses import LEAST_DATAGRAMS, Losses


class Link:
    """Counts arrivals as a driver does."""

    def __init__(self) -> None:
        self.seen = self.expected = 0

    def come(self, seen: int, expected: int) -> None:
        self.seen += seen
        self.expected += expected

    def arrivals(self) -> tuple[int, int]:
        return self.seen, self.expected


def looks(losses: Losses, link: Link, *comes: tuple[int, int]) -> list[list[tuple[int, float]]]:
    links: Any = {7: link}
    found = []
    for seen, expected in comes:
        link.come(seen, expected)
        found.append(list(losses.look(links, 0)))
    return found


def test_a_loss_is_said_and_its_end_too() -> None:
    said = looks(Losses(), Link(), (1000, 1000), (990, 1000), (1000, 1000), (1000, 1000))
    assert said == [[], [(7, 0.01)], [(7, 0.0)], [(7, 0.0)]]


def test_too_few_datagrams_wait_for_more() -> None:
    few = LEAST_DATAGRAMS - 1
    assert looks(Losses(), Link(), (few - 10, few), (1, 1)) == [[], [(7, 0.02)]]


def test_more_than_was_due_is_no_loss() -> None:
    assert looks(Losses(), Link(), (1100, 1000)) == [[]]


def test_nothing_is_left_of_a_link_that_is_gone() -> None:
    losses = Losses()
    looks(losses, Link(), (900, 1000))
    losses.forget(7)
    assert looks(losses, Link(), (1000, 1000)) == [[]]
