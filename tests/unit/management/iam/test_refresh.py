"""Refresh tokens: used once, two tabs at once are one, and a copy that is used later ends its family and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.iam.refresh import (
    FAMILY_BYTES,
    GRACE,
    IDLE,
    LIFE,
    PREFIX,
    RANDOM_BYTES,
    Family,
    Judgement,
    Outcome,
    judged,
    new_family,
    read,
)

NOW = 1_800_000_000
FAMILY, FIRST = new_family(bytes(range(RANDOM_BYTES)), "alice", 1, NOW, "a browser")


def present(family: Family, text: str, now: int) -> Judgement:
    presented = read(text)
    assert presented is not None
    return judged(family, presented, now)


def test_a_token_brings_its_successor_and_that_the_next() -> None:
    family, text = FAMILY, FIRST
    seen = {text}
    for turn in range(1, 20):
        judgement = present(family, text, NOW + 600 * turn)
        assert judgement.outcome is Outcome.CHANGED
        family, text = judgement.family, judgement.token
        assert text not in seen
        seen.add(text)
    assert family.generation == 19


def test_two_tabs_get_the_same_successor() -> None:
    one = present(FAMILY, FIRST, NOW)
    other = present(one.family, FIRST, NOW + GRACE)
    assert other.outcome is Outcome.AGAIN
    assert other.token == one.token
    assert other.family == one.family, "nothing is to be kept"


def test_later_it_is_a_copy() -> None:
    family = present(FAMILY, FIRST, NOW).family
    assert present(family, FIRST, NOW + GRACE + 1).outcome is Outcome.REPLAYED


def test_so_it_is_with_each_earlier_one_even_at_once() -> None:
    family, text = FAMILY, FIRST
    for _ in range(5):
        judgement = present(family, text, NOW)
        family, text = judgement.family, judgement.token
    assert present(family, FIRST, NOW).outcome is Outcome.REPLAYED


def test_what_is_kept_is_no_token() -> None:
    """Whoever steals the store finds digests and the family's key, which make no token without the secret."""
    presented = read(FIRST)
    assert presented is not None
    kept = repr(tuple(FAMILY))
    assert presented.secret.hex() not in kept
    assert FIRST not in kept
    successor = read(present(FAMILY, FIRST, NOW).token)
    assert successor is not None
    assert successor.secret.hex() not in repr(tuple(present(FAMILY, FIRST, NOW).family))


def test_a_used_token_alone_makes_no_successor() -> None:
    """Two families with the same secret and other keys have other successors."""
    random = bytes(range(RANDOM_BYTES))
    other, text = new_family(random[:-32] + bytes(32), "alice", 1, NOW)
    ours, theirs = read(present(FAMILY, FIRST, NOW).token), read(present(other, text, NOW).token)
    assert ours is not None
    assert theirs is not None
    assert read(FIRST).secret == read(text).secret  # type: ignore[union-attr]
    assert ours.secret != theirs.secret


def test_a_made_up_token_ends_nothing() -> None:
    """Whoever knows a family's number from an access token cannot end it."""
    stranger, text = new_family(FAMILY_BYTES * b"\0" + bytes(RANDOM_BYTES - FAMILY_BYTES), "mallory", 1, NOW)
    assert stranger.id != FAMILY.id
    presented = read(text)
    assert presented is not None
    for generation in (0, 1, 2**32 - 1):
        made_up = presented._replace(family=FAMILY.id, generation=generation)
        assert judged(FAMILY, made_up, NOW).outcome is Outcome.UNKNOWN


def test_another_generation_with_the_secret_of_now_is_made_up() -> None:
    presented = read(FIRST)
    assert presented is not None
    assert judged(FAMILY, presented._replace(generation=1), NOW).outcome is Outcome.UNKNOWN


def test_it_ends_after_a_week_of_silence_and_after_a_month_in_any_case() -> None:
    assert present(FAMILY, FIRST, NOW + IDLE - 1).outcome is Outcome.CHANGED
    assert present(FAMILY, FIRST, NOW + IDLE).outcome is Outcome.OVER
    family, text, now = FAMILY, FIRST, NOW
    while now < NOW + LIFE - IDLE:
        now += IDLE - 1
        judgement = present(family, text, now)
        family, text = judgement.family, judgement.token
    assert family.expires == NOW + LIFE
    assert present(family, text, NOW + LIFE - 1).outcome is Outcome.CHANGED
    assert present(family, text, NOW + LIFE).outcome is Outcome.OVER


def test_a_clock_that_goes_back_opens_no_second_grace() -> None:
    family = present(FAMILY, FIRST, NOW + 3600).family
    assert present(family, FIRST, NOW + 3600 - GRACE).outcome is Outcome.AGAIN
    assert present(family, FIRST, NOW).outcome is Outcome.REPLAYED


def test_each_changed_character_makes_another_text_or_none() -> None:
    for at in range(len(FIRST)):
        text = FIRST[:at] + ("A" if FIRST[at] != "A" else "B") + FIRST[at + 1 :]
        presented = read(text)
        outcome = judged(FAMILY, presented, NOW).outcome if presented and presented.family == FAMILY.id else Outcome.UNKNOWN
        assert outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "text", ["", PREFIX, FIRST[:-1], FIRST + "A", FIRST + "=", " " + FIRST, FIRST.replace("apr_", "apl_"), "ü" * 95]
)
def test_what_has_another_form_is_none(text: str) -> None:
    assert read(text) is None


@given(text=st.text())
def test_no_text_raises(text: str) -> None:
    read(text)
    read(PREFIX + text)


def test_nothing_secret_is_printed() -> None:
    judgement = present(FAMILY, FIRST, NOW)
    presented = read(FIRST)
    for thing in (FAMILY, presented, judgement):
        assert FAMILY.key not in repr(thing)
        assert FIRST not in repr(thing)
        assert judgement.token not in repr(thing)
        assert repr(presented.secret if presented else b"") not in repr(thing)
