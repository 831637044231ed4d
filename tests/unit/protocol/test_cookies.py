from __future__ import annotations

from random import Random

from appliance.protocol.cookies import BUCKET_SECONDS, COOKIE_BYTES, Cookies

HERE, THERE = ("198.51.100.1", 1000), ("198.51.100.1", 1001)


def test_a_cookie_is_good_for_its_address_and_for_a_while() -> None:
    cookies = Cookies(Random(1).randbytes(32))
    cookie = cookies.make(HERE, now=30.0)
    assert len(cookie) == COOKIE_BYTES
    assert cookies.check(cookie, HERE, now=30.0 + BUCKET_SECONDS)
    assert not cookies.check(cookie, HERE, now=30.0 + 2 * BUCKET_SECONDS)
    assert not cookies.check(cookie, THERE, now=30.0)


def test_nobody_else_makes_cookies() -> None:
    cookie = Cookies(Random(2).randbytes(32)).make(HERE, now=30.0)
    cookies = Cookies(Random(1).randbytes(32))
    assert not cookies.check(cookie, HERE, now=30.0)
    assert not cookies.check(b"", HERE, now=30.0)
    good = cookies.make(HERE, now=30.0)
    assert not cookies.check((2**32 - 1).to_bytes(4, "big") + good[4:], HERE, now=30.0)
