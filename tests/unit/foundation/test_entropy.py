"""Randomness of the right length and range."""

from __future__ import annotations

from appliance.foundation import entropy


def test_as_many_bytes_as_asked_for() -> None:
    assert len(entropy.random_bytes(32)) == 32
    assert entropy.random_bytes(32) != entropy.random_bytes(32)


def test_jitter_is_below_one() -> None:
    assert all(0 <= entropy.jitter() < 1 for _ in range(1000))
