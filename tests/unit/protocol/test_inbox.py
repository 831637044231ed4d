from __future__ import annotations

from appliance.protocol.inbox import MOST_BYTES, Inbox


def test_each_peer_gets_its_turn() -> None:
    inbox: Inbox[str] = Inbox(10)
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        inbox.put(item[0], item, 1)
    assert [inbox.take() for _ in range(7)] == ["a1", "b1", "c1", "a2", "c2", "a3", None]


def test_a_peer_that_has_enough_is_passed_over_and_keeps_its_turn() -> None:
    inbox: Inbox[str] = Inbox(10)
    for item in ("a1", "a2", "b1", "b2"):
        inbox.put(item[0], item, 1)
    assert [inbox.take(but={"a"}) for _ in range(3)] == ["b1", "b2", None]
    assert [inbox.take() for _ in range(3)] == ["a1", "a2", None]


def test_what_one_peer_lets_wait_is_bounded() -> None:
    inbox: Inbox[int] = Inbox(2)
    assert [inbox.put("a", number, 1) for number in range(3)] == [True, True, False]
    assert inbox.put("b", 3, 1)
    assert inbox.take() == 0
    assert inbox.put("a", 4, 1)
    assert len(inbox) == 3


def test_what_all_let_wait_is_bounded() -> None:
    inbox: Inbox[int] = Inbox(1)
    assert inbox.put("a", 1, MOST_BYTES)
    assert not inbox.put("b", 2, 1)
    assert inbox.take() == 1
    assert inbox.put("b", 2, 1)


def test_a_peer_that_left_leaves_nothing() -> None:
    inbox: Inbox[str] = Inbox(10)
    for item in ("a1", "b1", "a2"):
        inbox.put(item[0], item, MOST_BYTES // 3)
    assert inbox.forget("a") == ["a1", "a2"]
    assert inbox.forget("nobody") == []
    assert inbox.put("c", "c1", 2 * MOST_BYTES // 3)
    assert [inbox.take() for _ in range(3)] == ["b1", "c1", None]
