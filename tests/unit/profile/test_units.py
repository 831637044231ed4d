from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.units import format_bytes, format_rate, format_seconds, parse_bytes, parse_rate, parse_seconds


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


@pytest.mark.parametrize(
    ("text", "rate"), [("20Mbit", 20_000_000), ("1.5 Gbit", 1_500_000_000), ("512kbit", 512_000), ("64000bit", 64_000)]
)
def test_rates(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("20Mbps", "did you mean 'Mbit'"),
        ("20Mbit/s", "did you mean 'Mbit'"),
        ("20MB", "did you mean 'Mbit'"),
        ("20mbit", "did you mean 'Mbit'"),
        ("20", "the unit is missing"),
        ("20Xbit", "is unknown"),
        ("fast", "write a number and a unit, for example 20Mbit"),
        ("0.5bit", "not a whole number of bits a second"),
    ],
)
def test_no_rate(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_rate(text)


@given(st.integers(0, 10**12))
def test_a_rate_survives_its_text(rate: int) -> None:
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize("seconds", [0.0, 1e-5, 0.0000305, 0.1234567, 1_234_567.25, 86_400.0])
def test_a_duration_of_any_size_can_be_read_back(seconds: float) -> None:
    assert parse_seconds(format_seconds(seconds)) == pytest.approx(seconds, rel=1e-9)
