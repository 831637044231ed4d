from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from appliance.members.reconciling import (
    HEAVY_RATE,
    MOST_BODY,
    MOST_MESSAGES,
    MOST_NOTED,
    SMALL,
    WANT_AGAIN,
    Kind,
    Reconciling,
    Tally,
    _listed,
)
from appliance.members.roster import Roster, row_entry
from appliance.wire.control import MAX_CONTROL_BYTES
from tests.unit.members.rows import FULL, NETWORK, NOW, Listed, member, row


class Pair:
    """Two that talk: `b` is the one with the name b. `lost` decides which messages do not arrive."""

    def __init__(self, first: Listed, second: Listed, seed: int = 1) -> None:
        draw = random.Random(seed)
        self.ends = {name: Reconciling(Roster(NETWORK), listed, draw.random) for name, listed in (("a", first), ("b", second))}
        self.now = 0.0
        self.messages: list[tuple[str, Kind, int]] = []
        for end in self.ends.values():
            end.refresh(NOW)
            end.fresh.clear()

    def has(self, name: str, *rows: bytes) -> None:
        for each in rows:
            self.ends[name].roster.take_row(each, NOW)

    def talk(self, lost: Callable[[], bool] = lambda: False) -> None:
        """Hand over what is said until nobody says anything."""
        while any(end.said for end in self.ends.values()):
            for name, end in self.ends.items():
                said, end.said = end.said, []
                other = "b" if name == "a" else "a"
                for _, kind, body in said:
                    assert len(body) < MAX_CONTROL_BYTES - 512
                    self.messages.append((name, Kind(kind), len(body)))
                    if not lost():
                        self.ends[other].take(member(name), kind, body, self.now, NOW)
            for end in self.ends.values():
                if end.stale:
                    end.refresh(NOW)

    def rounds(self, most: int, lost: Callable[[], bool] = lambda: False) -> int:
        for number in range(most):
            if self.agree():
                return number
            self.ends["a"].summary(member("b"))
            self.talk(lost)
            self.now += 5.0
        assert self.agree()
        return most

    def agree(self) -> bool:
        return self.ends["a"].roster.root() == self.ends["b"].roster.root()

    def count(self, tally: str) -> int:
        return sum(end.counters[tally] for end in self.ends.values())


def test_two_that_know_the_same_say_so_in_one_small_message() -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    for name in ("a", "b"):
        pair.has(name, row("a"), row("b"))
    pair.ends["a"].summary(member("b"))
    pair.talk()
    assert pair.messages == [("a", Kind.SUMMARY, 16)]
    assert pair.count(Tally.EQUAL) == 1


@pytest.mark.parametrize("size", [10, SMALL, 300])
def test_each_gets_what_it_lacks_and_nothing_else(size: int) -> None:
    names = [f"n{n}" for n in range(size)]
    pair = Pair(Listed(*names), Listed(*names))
    pair.has("a", *(row(name) for name in names[1:]))
    pair.has("b", *(row(name) for name in names[:-1]), row(names[3], 2))
    assert pair.rounds(3) == 1
    assert pair.count(Tally.ROWS) == 3
    sent = sum(size for _, kind, size in pair.messages if kind is Kind.ENTRIES)
    assert sent < 1500


def test_a_thousand_rows_and_statements_come_in_bounded_pieces() -> None:
    names = [f"n{n}" for n in range(300)]
    first = Listed(*names)
    for number in range(40):
        first.take(b"statement " + bytes([number]) * 5000, NOW)
    pair = Pair(first, Listed(*names))
    pair.has("a", *(row(name, **FULL) for name in names))
    assert pair.rounds(20) > 1
    assert all(size <= MOST_BODY for _, _, size in pair.messages)
    in_a_round = pair.messages[: pair.messages.index(("a", Kind.SUMMARY, 16), 1)]
    assert sum(kind is Kind.ENTRIES for name, kind, _ in in_a_round if name == "a") <= 2 * MOST_MESSAGES


def test_what_is_lost_on_the_way_comes_later() -> None:
    names = [f"n{n}" for n in range(120)]
    pair = Pair(Listed(*names), Listed(*names))
    pair.has("a", *(row(name) for name in names[:60]))
    pair.has("b", *(row(name) for name in names[40:]))
    draw = random.Random(3)
    pair.rounds(60, lambda: draw.random() < 0.4)


def test_rows_count_only_beside_their_certificates_and_both_come() -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    pair.ends["a"]._statements.take(b"admit c", NOW)
    pair.ends["a"].refresh(NOW)
    pair.has("a", row("c"))
    pair.rounds(2)
    assert member("c") in pair.ends["b"].roster.rows
    assert {entry.encoded for entry in pair.ends["b"].fresh} == {b"admit c", row("c")}


def test_an_offer_is_wanted_once() -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    pair.has("a", row("a"))
    entry = pair.ends["a"].roster.entry(member("a")[:16])
    assert entry is not None
    pair.ends["a"].offer(member("b"), [entry])
    pair.ends["a"].offer(member("b"), [entry])
    pair.talk()
    assert [kind for _, kind, _ in pair.messages] == [Kind.OFFER, Kind.OFFER, Kind.WANT, Kind.ENTRIES]
    assert pair.agree()


def test_what_does_not_come_is_asked_of_another_one() -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    pair.has("a", row("a"))
    end, listed = pair.ends["b"], b"".join(map(_listed, pair.ends["a"].roster))
    for peer in ("a", "c", "d"):
        end.take(member(peer), Kind.OFFER, listed, 0.0, NOW)
    asked = [end.said.pop().peer]
    while (due := end.next_due()) is not None:
        end.due(due)
        asked += [say.peer for say in end.said if say.kind == Kind.WANT]
        end.said.clear()
    assert asked == [member("a"), member("c"), member("d")], "and then it is left to the next summary"


def test_one_that_offered_alone_is_asked_again() -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    pair.has("a", row("a"))
    lost = iter([False, True, False, False, False])
    pair.ends["a"].offer(member("b"), list(pair.ends["a"].roster))
    pair.talk(lambda: next(lost))
    assert not pair.agree()
    pair.ends["b"].due(WANT_AGAIN)
    pair.talk()
    assert pair.agree()
    assert pair.ends["b"].next_due() is not None
    pair.ends["b"].due(10.0)
    assert not pair.ends["b"].said


def test_what_was_refused_is_not_asked_for_again() -> None:
    pair = Pair(Listed("a", "b", "c"), Listed("a", "b", "c"))
    pair.ends["a"].roster._put_in(row_entry(row("c", by="a")))
    pair.ends["a"]._statements.kept[b"bad statement"] = None  # type: ignore[attr-defined]
    pair.ends["a"].refresh(NOW)
    for _ in range(5):
        pair.ends["a"].summary(member("b"))
        pair.talk()
        pair.now += 3.0
    assert pair.ends["b"].roster.rows == {}
    assert pair.ends["b"].fresh == []
    sent = [kind for name, kind, _ in pair.messages if name == "b"]
    assert sent.count(Kind.WANT) <= 1
    assert pair.ends["b"].roster.refused == {"forged": pair.ends["b"].roster.refused.total()}


@pytest.mark.parametrize("kind", [*Kind, "nothing"])
@pytest.mark.parametrize("body", [b"", b"\0", bytes(15), bytes(33), bytes(34), b"\xff" * 40, bytes(8192), b"\1\xff\xff"])
def test_a_message_of_another_form_is_counted(kind: str, body: bytes) -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    pair.has("b", row("a"), row("b"))
    end = pair.ends["b"]
    before = end.roster.root()
    assert not end.take(member("a"), kind, body, 0.0, NOW)
    assert end.roster.root() == before
    assert len(end.said) <= 1 + MOST_MESSAGES


def test_what_a_peer_makes_us_remember_is_bounded() -> None:
    pair = Pair(Listed("a", "b"), Listed("a", "b"))
    end, draw = pair.ends["b"], random.Random(5)
    for _ in range(12):
        listed = b"".join(draw.randbytes(32) for _ in range(440))
        end.take(member("a"), Kind.OFFER, listed, 0.0, NOW)
        end.said.clear()
    assert len(end._asked) == MOST_NOTED


def test_one_peer_cannot_make_us_look_through_the_roster_all_the_time() -> None:
    names = [f"n{n}" for n in range(200)]
    pair = Pair(Listed("a", "b", *names), Listed("a", "b", *names))
    pair.has("b", *(row(name) for name in names))
    end = pair.ends["b"]
    everything = bytes(16) + b"\xff" * 16 + bytes(2)
    for _ in range(500):
        end.take(member("a"), Kind.HAVE, everything, 0.0, NOW)
    assert end.counters[Tally.OFTEN] == 500 - 2 * HEAVY_RATE
    assert len(end.said) <= 2 * HEAVY_RATE * MOST_MESSAGES
    end.said.clear()
    end.take(member("c"), Kind.HAVE, everything, 0.0, NOW)
    assert end.said, "another one has a share of its own"
    end.take(member("a"), Kind.HAVE, everything, 1.0, NOW)
    assert end.counters[Tally.OFTEN] == 500 - 2 * HEAVY_RATE
    for peer in ("a", "c"):
        end.forget(member(peer))
    assert not end._heavy
