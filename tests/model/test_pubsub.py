"""Many nodes in virtual time (rigs/audience.py): who gets what, how often, and over how many others."""

from __future__ import annotations

import pytest
from rigs.audience import Audience, Node

pytestmark = pytest.mark.no_cover  # the same code is measured by its own tests; here it would take three times as long


def subscribed(size: int, seed: int = 1) -> Audience:
    """All of them subscribe to one topic."""
    found = Audience(size, seed)
    found.acquaint()
    for node in found:
        node.subscribe("news")
    found.run(5.0)
    return found


def publish(nodes: Audience, authors: list[Node], messages: int, every: float = 0.5) -> list[bytes]:
    """So many messages of authors drawn by lot, and time for them to arrive."""
    ids = []
    for number in range(messages):
        ids.append(nodes.random.choice(authors).publish("news", b"message %d" % number))
        nodes.run(every)
    nodes.run(5.0)
    return ids


@pytest.mark.parametrize(("size", "messages"), [(20, 40), (100, 20), (1000, 4)])
def test_nobody_misses_a_message_and_few_come_twice(size: int, messages: int) -> None:
    nodes = subscribed(size)
    ids = publish(nodes, nodes.nodes, messages)
    for node in nodes:
        assert sorted(node.ids()) == sorted(ids), "each once"
    duplicates = sum(nodes.copies[ident] - (size - 1) for ident in ids) / (messages * (size - 1))
    assert duplicates < 1.0
    assert max(max(nodes.hops[ident].values()) for ident in ids) < 18
    assert not [deed for node in nodes for deed in node.deeds], "honest nodes find no fault with each other"
