from __future__ import annotations

import pytest

from appliance.protocol.admission import CALM_SECONDS, MAX_PREFIXES, Admission, Strain, TokenBucket, prefix_of


def test_a_bucket_gives_its_rate_and_saves_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0.0)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(0.2) for _ in range(3)] == [True, True, False]
    assert sum(bucket.take(100.0) for _ in range(10)) == 5


def test_one_prefix_gets_a_quarter() -> None:
    admission = Admission(200, now=0.0)
    assert sum(admission.admit((f"198.51.100.{host}", 1), 0.0) for host in range(200)) == 50
    assert admission.admit(("203.0.113.1", 1), 0.0)


def test_all_together_get_the_rate() -> None:
    admission = Admission(200, now=0.0)
    assert sum(admission.admit((f"198.51.{net}.1", 1), 0.0) for net in range(250)) == 200
    assert not admission.admit(None, 0.0)


def test_it_is_busy_above_half_the_rate() -> None:
    admission = Admission(200, now=0.0)
    assert [admission.busy(0.0) for _ in range(101)] == [False] * 100 + [True]


def test_what_was_too_much_counts_as_too_much_for_a_while() -> None:
    strain = Strain(rate=10, now=0.0)
    for tenth in range(30):
        strain.note(tenth / 10)
    assert not strain.lasts(3.0)
    for _ in range(20):
        strain.note(3.0)
    strain.note(3.0 + CALM_SECONDS - 0.1)  # the bucket is full again; what lasts is the memory
    assert strain.lasts(3.0 + CALM_SECONDS - 0.1)
    assert not strain.lasts(3.0 + CALM_SECONDS)


def test_prefixes_are_remembered_up_to_a_bound() -> None:
    admission = Admission(10**6, now=0.0)
    for number in range(2 * MAX_PREFIXES):
        admission.admit((f"10.{number >> 8}.{number & 255}.1", 1), 0.0)
    assert len(admission._prefixes._buckets) == MAX_PREFIXES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("198.51.100.1", "198.51.100.254", True),
        ("198.51.100.1", "198.51.101.1", False),
        ("2001:db8:0:ff::1", "2001:db8:0:1::1", True),
        ("2001:db8:0:100::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("0.0.0.1", "::1", False),
        ("a", "b", False),
    ],
)
def test_a_site_is_a_24_or_a_56(one: str, other: str, same: bool) -> None:
    assert (prefix_of(one) == prefix_of(other)) is same
