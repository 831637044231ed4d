"""Codes of an authenticator application, each once; and recovery codes, each once."""

from __future__ import annotations

import base64

import pytest

from appliance.management.iam.totp import (
    PERIOD,
    RECOVERY_BYTES,
    RECOVERY_CODES,
    accepted,
    otpauth,
    recovery_codes,
    recovery_digest,
    secret_text,
    without,
)

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("moment", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_of_rfc_6238(moment: int, code: str) -> None:
    """Appendix B, whose eight digits end in these six."""
    assert accepted(SECRET, code, moment, 0) == moment // PERIOD


def test_a_code_is_good_a_period_before_and_after_and_no_longer() -> None:
    at = 1111111111 // PERIOD * PERIOD
    assert accepted(SECRET, "050471", at - PERIOD, 0)
    assert accepted(SECRET, "050471", at + 2 * PERIOD - 1, 0)
    assert accepted(SECRET, "050471", at - PERIOD - 1, 0) is None
    assert accepted(SECRET, "050471", at + 2 * PERIOD, 0) is None


def test_each_code_is_good_once() -> None:
    used = accepted(SECRET, "050471", 1111111111, 0)
    assert used is not None
    assert accepted(SECRET, "050471", 1111111111, used) is None
    assert accepted(SECRET, "081804", 1111111111, used) is None, "nor is one of before"


def test_a_clock_that_was_ahead_for_a_moment_locks_nobody_out() -> None:
    ahead = accepted(SECRET, "279037", 2000000000, 0)
    assert ahead is not None
    assert accepted(SECRET, "050471", 1111111111, ahead)


@pytest.mark.parametrize("code", ["", "05047", "0504711", "o50471", "٠٥٠٤٧١", " 50471", "-50471"])
def test_what_has_another_form_is_no_code(code: str) -> None:
    assert accepted(SECRET, code, 1111111111, 0) is None


@pytest.mark.parametrize("secret", ["", "A", "not base32!", "A" * 16])
def test_without_a_secret_no_code_is_good(secret: str) -> None:
    """An empty secret would be a key that everybody has."""
    assert not any(accepted(secret, f"{code:06}", 1111111111, 0) for code in (0, 328482, 50471))


def test_the_uri_is_what_applications_read() -> None:
    uri = otpauth(secret_text(bytes(20)), "alice", "node")
    assert uri.startswith("otpauth://totp/node:alice?")
    assert "secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" in uri
    assert "issuer=node" in uri


def test_a_recovery_code_is_good_once() -> None:
    codes = recovery_codes(bytes(range(RECOVERY_CODES * RECOVERY_BYTES)))
    assert len(set(codes)) == RECOVERY_CODES
    digests = tuple(map(recovery_digest, codes))
    left = without(digests, codes[3].upper().replace("-", " "))
    assert left is not None
    assert len(left) == RECOVERY_CODES - 1
    assert without(left, codes[3]) is None
    assert without(left, "abcd-efgh-ijkl-mnop") is None
    assert without(left, "\ud800") is None
    assert not any(code in "".join(digests) for code in codes)
