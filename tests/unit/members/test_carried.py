from __future__ import annotations

from base64 import b64encode

import pytest

from appliance.members.carried import NotCarried, bundle_of, read_bundle, read_request, request_of
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NETWORK, certificate, issuer

A = identity_of("a")


def test_a_request_is_read_again_with_what_mail_does_to_it() -> None:
    text = request_of(A)
    assert read_request(text).encoded == A.public.encoded
    quoted = "Hello,\r\n> \r\n" + text.replace("\n", "\r\n") + "-- \r\nAnn"
    assert read_request(quoted).encoded == A.public.encoded
    assert max(map(len, text.splitlines())) <= 64


def test_nobody_asks_with_half_of_somebody_elses_key() -> None:
    theirs = identity_of("b").public.encoded
    half = theirs[:32] + A.public.encoded[32:]
    body = b64encode(half + A.sign(b"LLP1 request" + A.public.digest)).decode()
    with pytest.raises(NotCarried, match="signature"):
        read_request(f"-----BEGIN APPLIANCE REQUEST-----\n{body}\n-----END APPLIANCE REQUEST-----\n")


def test_a_bundle_is_read_again() -> None:
    statements = [issuer().encoded, certificate("laptop").encoded]
    found = read_bundle(bundle_of(NETWORK, statements))
    assert found.network.fingerprint == NETWORK.fingerprint
    assert list(found.statements) == statements
    assert read_bundle(bundle_of(NETWORK, [])).statements == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text.replace("NETWORK", "REQUEST"),
        lambda text: text.replace("\n", "\n!", 2),
        lambda text: text[:200] + "\n-----END APPLIANCE NETWORK-----",
        lambda text: text.replace("\n-----END", "AAAA\n-----END"),
        lambda text: text.partition("-----END")[0],
    ],
)
def test_what_was_damaged_is_said(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(NotCarried) as caught:
        read_bundle(damage(bundle_of(NETWORK, [certificate("laptop").encoded])))
    assert caught.value.hint


def test_a_request_that_was_cut_is_said() -> None:
    for text in ("", request_of(A)[:3000] + "\n-----END APPLIANCE REQUEST-----", bundle_of(NETWORK, [])):
        with pytest.raises(NotCarried):
            read_request(text)
