"""Who has a session, and subscribes to what."""

from __future__ import annotations

from appliance.knowledge.pubsub.peers import ASK_SECONDS, MOST_TOPICS, Peers

ONE, TWO = b"1" * 32, b"2" * 32


def peers() -> Peers:
    known = Peers()
    known.connected(ONE)
    known.connected(TWO)
    return known


def test_what_a_peer_subscribes_to_is_found_from_both_sides() -> None:
    known = peers()
    assert known.add(ONE, "news")
    assert not known.add(ONE, "news")
    assert known.add(TWO, "news")
    assert list(known.of("news")) == [ONE, TWO]
    assert known.remove(ONE, "news")
    assert not known.remove(ONE, "news")
    assert known.gone(TWO) == ["news"]
    assert not known.of("news")


def test_all_of_them_replace_what_was_known() -> None:
    known = peers()
    known.add(ONE, "old")
    known.add(ONE, "both")
    assert known.replace(ONE, 7, ["both", "new"]) == (["new"], ["old"])
    assert known.sessions[ONE].version == 7


def test_a_member_without_a_session_subscribes_to_nothing_and_nobody_to_everything() -> None:
    known = peers()
    assert not known.add(b"3" * 32, "news")
    assert known.replace(b"3" * 32, 1, ["news"]) == ([], [])
    new, _ = known.replace(ONE, 1, map(str, range(1000)))
    assert len(new) == MOST_TOPICS


def test_a_peer_is_not_asked_again_at_once_for_all_its_subscriptions() -> None:
    peers = Peers()
    peers.connected(ONE)
    peer = peers.sessions[ONE]
    assert [peer.may_be_asked(now) for now in (0.0, 0.1, ASK_SECONDS, ASK_SECONDS + 0.1)] == [True, False, True, False]
