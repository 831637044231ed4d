"""Cookies: a place knows those that it gave, and keeps none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.rendezvous.cookies import SECRET_BYTES, Cookies
from appliance.knowledge.rendezvous.messages import COOKIE_BYTES

MINE = Cookies(bytes(SECRET_BYTES))


@given(st.text("abc", min_size=1, max_size=5), st.integers(0, 2**64 - 1))
def test_what_was_given_is_known_and_nothing_else(tag: str, position: int) -> None:
    cookie = MINE.make(tag, position)
    assert len(cookie) == COOKIE_BYTES
    assert MINE.read(tag, cookie) == position
    assert MINE.read(tag + "x", cookie) is None
    assert Cookies(b"\1" * SECRET_BYTES).read(tag, cookie) is None


@given(st.binary(max_size=40))
def test_no_bytes_are_a_cookie(cookie: bytes) -> None:
    assert MINE.read("t", cookie) is None
