from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.units import format_bytes, format_seconds, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "size"), [("5MB", 5_000_000), ("512KiB", 524_288), ("1.5kB", 1500), ("3 GiB", 3 * 2**30), ("0B", 0), (" 7B ", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("60s", 60), ("10min", 600), ("12h", 43200), ("1d", 86400), ("1.5 min", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("5Mb", "did you mean 'MB'?"),
        ("5", "the unit is missing"),
        ("5XB", "is unknown"),
        ("big", "write a number and a unit"),
        ("-5MB", "write a number and a unit"),
        ("0.5B", "not a whole number of bytes"),
        ("٣MB", "write a number and a unit"),
    ],
)
def test_no_size(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("?", r"\?")):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [("10m", "did you mean 'min'"), ("10S", "did you mean 's'"), ("22:22", "write a number"), ("", "write a number")],
)
def test_no_duration(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_seconds(text)


@given(st.integers(0, 2**40))
def test_a_size_survives_its_text(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == size


@given(st.integers(0, 10**9))
def test_a_duration_survives_its_text(milliseconds: int) -> None:
    assert parse_seconds(format_seconds(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, rel=1e-5)
