"""Codes: used as often as they may be, in their time, and burnt by guessing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.iam.invitations import (
    CODE_BYTES,
    GUESSES,
    LONGEST_SECONDS,
    CodeUsedUp,
    guessed,
    invitation_of,
    is_open,
    number_of,
    used,
)

NOW = 1_800_000_000
INVITATION, CODE = invitation_of(bytes(range(CODE_BYTES)), ("viewer",), "root", NOW, 3600, uses=2, note="for Bob")


def test_a_code_can_be_typed_in_any_way() -> None:
    for text in (
        CODE,
        CODE.lower(),
        CODE.replace("-", ""),
        f"  {CODE.replace('-', ' ')}\n",
        CODE.replace("1", "l").replace("0", "o"),
    ):
        assert number_of(text) == INVITATION.number
        assert guessed(INVITATION, text) is None


@pytest.mark.parametrize("text", ["", "-", CODE[:-1], CODE + "A", "U" * 34, "Z" * 34, "ü" * 34, "0" * 10**6, "\ud800"])
def test_what_has_another_form_is_no_code(text: str) -> None:
    assert number_of(text) is None


def test_it_is_good_as_often_as_it_says() -> None:
    once = used(INVITATION, NOW)
    twice = used(once, NOW)
    assert is_open(once, NOW)
    assert not is_open(twice, NOW)
    with pytest.raises(CodeUsedUp):
        used(twice, NOW)


def test_it_is_good_as_long_as_it_says() -> None:
    assert used(INVITATION, NOW + 3599)
    with pytest.raises(CodeUsedUp):
        used(INVITATION, NOW + 3600)
    assert not is_open(INVITATION, NOW + 3600)


def test_the_fifth_wrong_guess_burns_it() -> None:
    wrong = invitation_of(bytes(range(5)) + bytes(16), (), "", NOW, 1)[1]
    assert number_of(wrong) == INVITATION.number
    invitation = INVITATION
    for left in reversed(range(GUESSES)):
        after = guessed(invitation, wrong)
        assert after is not None
        invitation = after
        assert invitation.guesses == left
    assert not is_open(invitation, NOW)
    assert guessed(invitation, CODE) is not None, "the right code does not help any more"
    assert guessed(invitation, wrong) == invitation


def test_limits_are_kept_whatever_is_asked() -> None:
    long, _ = invitation_of(bytes(CODE_BYTES), (), "", NOW, 10**12, uses=10**12)
    assert long.expires == NOW + LONGEST_SECONDS
    assert long.uses == 1000
    short, _ = invitation_of(bytes(CODE_BYTES), (), "", NOW, -5, uses=-5)
    assert (short.expires, short.uses) == (NOW + 1, 1)


def test_what_is_kept_is_no_code() -> None:
    assert CODE.replace("-", "")[8:] not in repr(tuple(INVITATION)).upper()
    assert bytes(range(5, CODE_BYTES)).hex() not in repr(tuple(INVITATION))
    assert INVITATION.digest not in repr(INVITATION)


@given(text=st.text())
def test_no_text_raises(text: str) -> None:
    number_of(text)
    assert guessed(INVITATION, text) is not None
