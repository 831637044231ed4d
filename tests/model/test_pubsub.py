"""Many nodes in virtual time (rigs/audience.py): who gets what, how often, and over how many others."""

from __future__ import annotations

import pytest
from rigs.audience import Audience, Node
from rigs.hecklers import BEGINS, KINDS, TOPIC, Heckler

pytestmark = pytest.mark.no_cover  # the same code is measured by its own tests; here it would take three times as long


def subscribed(size: int, seed: int = 1) -> Audience:
    """All of them subscribe to one topic."""
    found = Audience(size, seed)
    found.acquaint()
    for node in found:
        node.subscribe(TOPIC)
    found.run(5.0)
    return found


def publish(nodes: Audience, authors: list[Node], messages: int, every: float = 0.5) -> list[bytes]:
    """So many messages of authors drawn by lot, and time for them to arrive."""
    ids = []
    for number in range(messages):
        ids.append(nodes.random.choice(authors).publish(TOPIC, b"message %d" % number))
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
    assert min(score for node in nodes for score in node.machine.scores(nodes.now).values()) >= 0, "losses are nobody's fault"


def trouble(size: int, seconds: int, every: float = 0.25) -> tuple[Audience, list[bytes], float]:
    """A third of the nodes is hostile. Returns what honest ones published in so many seconds, and how long, from the beginning of
    the misdeeds or from when it came in, a hostile one was in the mesh of an honest one at longest."""
    nodes = Audience(size, kinds=[KINDS[number % len(KINDS)] for number in range(size // 3)])
    nodes.acquaint()
    for node in nodes:
        node.subscribe(TOPIC)
    nodes.run(BEGINS)
    honest, hostile = split(nodes)
    ids, since, longest = [], {}, 0.0
    for number in range(int(seconds / every)):
        ids.append(nodes.random.choice(honest).publish(TOPIC, b"message %d" % number))
        nodes.run(every)
        links = {(node.digest, peer) for node in honest for peer in node.mesh(TOPIC) if peer in hostile}
        since = {link: since.get(link, nodes.now) for link in links}
        longest = max([longest, *(nodes.now - begun for begun in since.values())])
    nodes.run(5.0)
    return nodes, ids, longest


def split(nodes: Audience) -> tuple[list[Node], set[bytes]]:
    """The honest ones, and who the hostile ones are."""
    return [node for node in nodes if not isinstance(node, Heckler)], {node.digest for node in nodes if isinstance(node, Heckler)}


@pytest.mark.parametrize(
    ("size", "seconds"),
    [(60, 15), *(pytest.param(*long, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]) for long in ((300, 15), (1000, 12)))],
)
def test_a_third_that_is_hostile_stops_nothing_and_is_out_within_ten_seconds(size: int, seconds: int) -> None:
    nodes, ids, longest = trouble(size, seconds)
    honest, hostile = split(nodes)
    delivered = sum(len(set(ids) & set(node.ids())) for node in honest)
    assert delivered >= 0.99 * len(ids) * len(honest)
    assert all(len(node.ids()) == len(set(node.ids())) for node in honest)
    assert longest <= 10.0
    blamed = {deed.member for node in honest for deed in node.deeds if deed.points <= -1}
    assert len(blamed - hostile) <= 0.02 * len(honest)
    assert all(node.machine.scores(nodes.now)[other.digest] >= 0 for node in honest for other in honest if node.knows(other))
