"""Times as text, and clocks that move the right way."""

from __future__ import annotations

from appliance.foundation import clock


def test_monotonic_never_goes_back() -> None:
    assert clock.monotonic() <= clock.monotonic()


def test_utc_text_is_rfc_3339() -> None:
    assert clock.utc_text(0.25) == "1970-01-01T00:00:00.250Z"


def test_wall_is_after_this_was_written() -> None:
    assert clock.wall() > 1_700_000_000
