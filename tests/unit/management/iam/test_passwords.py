"""Passwords: length counts, stolen ones are refused, and what is kept is expensive to try."""

from __future__ import annotations

import pytest

from appliance.management.iam import passwords
from appliance.management.iam.passwords import COST, NOBODY, Cost, PasswordRefused, cost_of, hashed, judged, matches, needs_rehash

SALT = bytes(range(16))
CHEAP = Cost(64, 1, 1)
GOOD = "correct horse battery"


def refused(password: str, name: str = "alice") -> bool:
    with pytest.raises(PasswordRefused) as told:
        judged(password, name, lambda _: False)
    assert password not in str(told.value) + told.value.hint or len(password) < 12
    return True


def test_twelve_characters_to_a_hundred_and_twenty_eight() -> None:
    assert refused("abcdefghijk")
    assert judged("abcdefghijkl", "alice", lambda _: False) == "abcdefghijkl"
    assert judged("abcd" * 32, "alice", lambda _: False)
    assert refused("abcd" * 32 + "e")
    assert refused("a" * 10_000_000)


def test_what_anybody_guesses_first_is_refused() -> None:
    assert refused("Alexandria-Li", "alexandria-li")
    assert refused("alicia-alicia-"[:-1] + "-", "alicia-")
    assert refused("aaaaaaaaaaaaaaaa")
    assert refused("abababababababab")


def test_a_stolen_one_is_refused() -> None:
    with pytest.raises(PasswordRefused, match="stolen"):
        judged(GOOD, "alice", lambda password: password == GOOD)


def test_what_nobody_can_type_is_refused() -> None:
    for character in ("\0", "\n", "\x7f", "\ud800", "\u0378"):
        assert refused(GOOD + character)
        assert not matches(GOOD + character, hashed(GOOD, SALT, CHEAP))


def test_each_keyboard_writes_the_same_password() -> None:
    composed, decomposed = "f\u00fcnfzehn \u00c4pfel", "fu\u0308nfzehn A\u0308pfel"
    plain = judged(composed, "alice", lambda _: False)
    assert matches(decomposed, hashed(plain, SALT, CHEAP))


def test_what_is_kept_is_argon2id_at_the_cost_of_today() -> None:
    phc = hashed(GOOD, SALT)
    assert phc.startswith("$argon2id$v=19$m=12288,t=3,p=1$")
    assert cost_of(phc) == COST
    assert matches(GOOD, phc)
    assert not matches(GOOD + "!", phc)
    assert hashed(GOOD, bytes(16), CHEAP) != hashed(GOOD, SALT, CHEAP)


def test_a_hash_of_another_cost_is_due_for_another() -> None:
    assert not needs_rehash(hashed(GOOD, SALT, CHEAP), CHEAP)
    assert needs_rehash(hashed(GOOD, SALT, CHEAP))
    assert needs_rehash("")


def test_nobodys_hash_costs_as_much_as_a_new_one() -> None:
    """So a name that nobody has takes the same time; the cost is what the time depends on."""
    assert cost_of(NOBODY) == COST


@pytest.mark.parametrize(
    "phc", ["", "plain", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=999999999,t=1,p=1$AAAA$AAAA"]
)
def test_what_is_no_hash_matches_nothing_and_is_tried_all_the_same(phc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class Counting:
        @staticmethod
        def verify_phc_encoded(_: bytes, phc: str) -> None:
            tried.append(phc)

    monkeypatch.setattr(passwords, "Argon2id", Counting)
    assert not matches(GOOD, phc), "even if nobody's password were guessed"
    assert tried == [NOBODY]
