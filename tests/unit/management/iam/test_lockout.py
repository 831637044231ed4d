"""Guessing costs time, more with each guess, for names that exist as for others, and never for good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.iam.lockout import (
    FORGOTTEN_AFTER,
    FREE_FOR_NAME,
    LONGEST_WAIT,
    Attempts,
    TooManyAttempts,
    address_key,
    address_mark,
    attempted,
    name_key,
)

NOW = 1_800_000_000


def after(count: int, now: int = NOW) -> Attempts:
    """So many wrong attempts, each as soon as it may be."""
    attempts = Attempts()
    for _ in range(count):
        attempts = attempted(attempts, max(now, attempts.until), FREE_FOR_NAME)
    return attempts


def waits(count: int) -> int:
    attempts = after(count)
    return attempts.until - attempts.last if attempts.until else 0


def test_after_five_the_wait_begins_and_doubles_to_a_quarter_of_an_hour() -> None:
    assert [waits(count) for count in range(1, 13)] == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert waits(500) == LONGEST_WAIT


def test_who_comes_too_early_is_told_when_and_does_not_make_it_longer() -> None:
    attempts = after(5)
    for _ in range(100):
        with pytest.raises(TooManyAttempts) as told:
            attempted(attempts, NOW + 10, FREE_FOR_NAME)
        assert told.value.retry_after == 20
        assert told.value.retryable
    assert attempted(attempts, NOW + 30, FREE_FOR_NAME).failures == 6


def test_an_hour_later_it_is_forgotten() -> None:
    attempts = after(7)
    assert attempted(attempts, attempts.last + FORGOTTEN_AFTER, FREE_FOR_NAME).failures == 1
    assert attempts.expires >= attempts.until


def test_a_clock_that_went_back_locks_nobody_out() -> None:
    attempts = after(12)
    year = 365 * 86_400
    assert attempted(attempts, NOW - year, FREE_FOR_NAME) == Attempts(1, 0, NOW - year)


@given(failures=st.integers(0, 10**9), until=st.integers(0, 2**40), last=st.integers(0, 2**40), now=st.integers(0, 2**40))
def test_nobody_ever_waits_longer_than_the_longest(failures: int, until: int, last: int, now: int) -> None:
    try:
        wait = attempted(Attempts(failures, until, last), now, FREE_FOR_NAME).until - now
    except TooManyAttempts as told:
        wait = told.retry_after
    assert wait <= LONGEST_WAIT


def test_a_users_own_address_is_counted_apart_from_strangers() -> None:
    own = [address_mark("192.0.2.7")]
    assert name_key("alice", "192.0.2.7", own) != name_key("alice", "192.0.2.8", own)
    assert name_key("alice", "192.0.2.8", own) == name_key("alice", "198.51.100.1", own)
    assert name_key("alice", "192.0.2.8", own) == name_key("alice", "", own)
    assert name_key("alice", "192.0.2.8") != name_key("bob", "192.0.2.8")


def test_one_subscriber_is_one_address() -> None:
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")
    assert address_key("::ffff:192.0.2.1") == address_key("192.0.2.1")
    assert address_key("fe80::1%eth0") == address_key("fe80::1%eth1")


def test_a_local_socket_has_no_address() -> None:
    assert [address_key(text) for text in ("", "local", "…", "1.2.3")] == [""] * 4


def test_nothing_that_was_typed_is_kept_in_clear() -> None:
    assert "hunter2" not in name_key("hunter2", "192.0.2.1")
    assert "192.0.2.1" not in address_key("192.0.2.1")
    assert name_key("\ud800" * 100_000, "")
