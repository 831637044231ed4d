"""Look-ups in a network that exists only here: honest ones find the nearest, with liars and silent peers among them too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance_discovery_libp2p.kad.distance import point
from appliance_discovery_libp2p.kad.lookup import ALPHA, MOST_NAMES, MOST_QUESTIONS, Lookup
from appliance_discovery_libp2p.kad.messages import Peer
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

PEERS = [Peer(OwnKey(number.to_bytes(32, "big")).peer, (Multiaddr("11.0.0.1", number),)) for number in range(1, 301)]
TARGET = point(b"what is looked for")
BY_DISTANCE = sorted(PEERS, key=lambda peer: point(peer.id) ^ TARGET)


def knows(peer: Peer) -> list[Peer]:
    """Of an honest peer: the nearest to the target among every third that it happens to know, and its own neighbours."""
    near = sorted(PEERS, key=lambda other: point(other.id) ^ point(peer.id))[:20]
    met = [other for other in PEERS if (point(other.id) ^ point(peer.id)) % 3 == 0]
    return sorted([*near, *met], key=lambda other: point(other.id) ^ TARGET)[:20]


def run(lookup: Lookup, answers: Callable[[Peer], Sequence[Peer] | None]) -> int:
    """Until it is done; returns how many rounds it took."""
    rounds = 0
    while not lookup.done:
        asked = lookup.ask()
        assert 0 < len(asked) <= ALPHA
        for peer in asked:
            told = answers(peer)
            if told is None:
                lookup.silent(peer.id)
            else:
                lookup.heard(peer.id, told)
        rounds += 1
    return rounds


def test_the_nearest_twenty_are_found_from_anywhere() -> None:
    lookup = Lookup(TARGET, b"", BY_DISTANCE[-3:], 20)
    run(lookup, knows)
    assert lookup.found == BY_DISTANCE[:20]
    assert lookup.questions <= MOST_QUESTIONS


def test_those_that_are_silent_are_left_out_and_hang_nothing() -> None:
    silent = set(BY_DISTANCE[:20:4])
    lookup = Lookup(TARGET, b"", BY_DISTANCE[-3:], 20)
    run(lookup, lambda peer: None if peer in silent else knows(peer))
    honest = [peer for peer in BY_DISTANCE if peer not in silent]
    assert lookup.found[:15] == honest[:15]


def test_liars_who_name_what_is_not_there_cost_questions_and_no_answer() -> None:
    liars = set(PEERS[::10])
    invented = [Peer(OwnKey(number.to_bytes(32, "big")).peer, (Multiaddr("11.0.0.2", 1),)) for number in range(1000, 1400)]
    nearest = sorted(invented, key=lambda peer: point(peer.id) ^ TARGET)

    def answers(peer: Peer) -> Sequence[Peer] | None:
        return None if peer in invented else nearest[:20] if peer in liars else knows(peer)

    lookup = Lookup(TARGET, b"", [BY_DISTANCE[-1], BY_DISTANCE[-2], BY_DISTANCE[-3]], 20)
    run(lookup, answers)
    found = [peer for peer in lookup.found if peer not in liars]
    honest = [peer for peer in BY_DISTANCE if peer not in liars]
    assert set(honest[:10]) <= set(found)
    assert not set(found) & set(invented)


def test_a_network_of_liars_ends_after_so_many_questions_and_names() -> None:
    count = 2000

    def invents(_: Peer) -> Sequence[Peer]:
        nonlocal count
        count += 20
        return [Peer(OwnKey(number.to_bytes(32, "big")).peer, (Multiaddr("11.0.0.2", 1),)) for number in range(count - 20, count)]

    lookup = Lookup(TARGET, b"", PEERS[:3], 20)
    run(lookup, invents)
    assert lookup.questions <= MOST_QUESTIONS
    assert len(lookup._known) <= MOST_NAMES + MOST_QUESTIONS


def test_this_node_and_who_has_no_address_are_not_asked_and_answers_unasked_do_not_count() -> None:
    lookup = Lookup(TARGET, PEERS[0].id, [PEERS[0], Peer(PEERS[1].id)], 20)
    assert lookup.done
    lookup.heard(PEERS[2].id, [PEERS[3]])
    assert lookup.found == []
