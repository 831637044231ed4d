"""Access tokens: what is not exactly ours is refused, whatever it is, and nothing but a refusal comes of it."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.iam.signing_keys import KEPT_SECONDS, Ring, rotated
from appliance.management.iam.tokens import LEEWAY, LIFE, Access, Realm, TokenExpired, TokenNotValid, issue, kid_of, read

NOW = 1_800_000_000
REALM = Realm("https://node.example/", "appliance")
KEYS = rotated((), bytes(range(32)), NOW)
RING = Ring(KEYS)
ACCESS = Access("5f00aa", 3, ("operator",), "c0ffee", NOW, NOW + LIFE, family="fa0000")
PROGRAM = Access(
    "5f00aa", 3, ("operator",), "c0ffee", NOW, NOW + LIFE, accessor="0123456789abcdef", scopes=("jobs.run", "node.read")
)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (base64.urlsafe_b64decode(piece + "==") for piece in text.split("."))
    return json.loads(header), json.loads(claims)


def forged(header: Any = None, claims: Any = None, key: Any = None) -> str:
    """A token whose header and claims may be anything, signed by our key or another: JSON texts are taken as they are."""
    ours_header, ours_claims = parts(issue(ACCESS, REALM, RING))
    header = ours_header | header if isinstance(header, dict) else ours_header if header is None else header
    claims = ours_claims | claims if isinstance(claims, dict) else ours_claims if claims is None else claims
    texts = [piece if isinstance(piece, str) else json.dumps(piece) for piece in (header, claims)]
    signing = ".".join(base64url(text.encode()) for text in texts)
    signature = (key or RING.signer[1]).sign(signing.encode())
    return f"{signing}.{base64url(signature)}"


def refused(text: str, now: float = NOW) -> bool:
    with pytest.raises(TokenNotValid):
        read(text, REALM, RING, now)
    return True


def test_what_was_issued_is_read() -> None:
    assert read(issue(ACCESS, REALM, RING), REALM, RING, NOW) == ACCESS
    assert read(issue(PROGRAM, REALM, RING), REALM, RING, NOW) == PROGRAM
    assert read(forged(), REALM, RING, NOW) == ACCESS, "the forger of these tests forges well"


def test_a_stranger_with_a_library_reads_it_by_the_published_keys() -> None:
    text = issue(ACCESS, REALM, RING)
    published = jwt.PyJWKSet.from_dict(RING.jwks(NOW))
    key = published[jwt.get_unverified_header(text)["kid"]]
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(text, key, ["EdDSA"], options, audience="appliance", issuer="https://node.example/")  # type: ignore[arg-type]
    assert claims["sub"] == "5f00aa"
    assert claims["roles"] == ["operator"]


def test_it_is_over_after_ten_minutes_and_the_leeway() -> None:
    text = issue(ACCESS, REALM, RING)
    assert read(text, REALM, RING, NOW + LIFE + LEEWAY - 1)
    with pytest.raises(TokenExpired):
        read(text, REALM, RING, NOW + LIFE + LEEWAY)


def test_one_from_the_future_is_refused_beyond_the_leeway() -> None:
    text = issue(ACCESS, REALM, RING)
    assert read(text, REALM, RING, NOW - LEEWAY)
    assert refused(text, NOW - LEEWAY - 1)


def test_a_long_life_is_not_believed() -> None:
    assert refused(forged(claims={"exp": NOW + LIFE + 1}))


def test_no_signature_is_no_signature() -> None:
    header, claims, _ = issue(ACCESS, REALM, RING).split(".")
    for alg in ("none", "None", "NONE", "nOnE", ""):
        unsigned = base64url(json.dumps({"alg": alg, "typ": "at+jwt", "kid": RING.signer[0]}).encode())
        assert refused(f"{unsigned}.{claims}.")
        assert refused(f"{unsigned}.{claims}.AAAA")
    assert refused(f"{header}.{claims}.")
    assert refused(f"{header}.{claims}")


def test_the_public_key_is_no_secret_of_an_hmac() -> None:
    public = RING.signer[1].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, claims = parts(issue(ACCESS, REALM, RING))
    for secret in (public.public_bytes_raw(), pem, RING.signer[0].encode(), b""):
        signing = f"{base64url(json.dumps(header | {'alg': 'HS256'}).encode())}.{base64url(json.dumps(claims).encode())}"
        assert refused(f"{signing}.{base64url(hmac.digest(secret, signing.encode(), 'sha256'))}")


def test_another_algorithm_is_refused_even_with_a_good_signature() -> None:
    rsa = generate_private_key(65537, 2048)
    assert refused(jwt.encode(parts(issue(ACCESS, REALM, RING))[1], rsa, "RS256", {"kid": RING.signer[0], "typ": "at+jwt"}))
    assert refused(forged({"alg": "Ed25519"}))
    assert refused(forged({"alg": "ES256"}))


def test_a_key_of_somebody_else_is_refused_wherever_it_comes_from() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(other.public_key().public_bytes_raw())}
    assert refused(forged(key=other))
    assert refused(forged({"kid": "another"}, key=other))
    for header in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/"}, {"x5c": ["MII"]}):
        assert refused(forged(header, key=other))
        assert refused(forged(header)), "not even beside our own signature: nobody here reads it"


@pytest.mark.parametrize("kid", [None, 0, ["a"], {"a": 1}, "../../etc/passwd", "' or 1=1", "a" * 5000, "\ud800"])
def test_a_key_id_is_looked_up_and_nothing_else(kid: Any) -> None:
    assert refused(forged({"kid": kid}))


def test_another_kind_of_token_gives_no_access() -> None:
    for kind in ("JWT", "", None, "at+JWT", "dpop+jwt", "application/at+jwt", 7):
        assert refused(forged({"typ": kind}))
    header = dict(parts(forged())[0])
    del header["typ"]
    assert refused(forged(json.dumps(header)))


def test_extensions_are_refused() -> None:
    assert refused(forged({"crit": ["exp"]}))
    assert refused(forged({"b64": False, "crit": ["b64"]}))
    assert refused(forged({"zip": "DEF"}))
    assert refused(forged({"cty": "JWT"}))


@pytest.mark.parametrize("claim", ["iss", "aud"])
def test_one_of_another_issuer_or_for_somebody_else_is_refused(claim: str) -> None:
    for value in ("https://other.example/", "", None, ["appliance"], ["appliance", "https://node.example/"], 0, True):
        assert refused(forged(claims={claim: value}))
    claims = dict(parts(forged())[1])
    del claims[claim]
    assert refused(forged(claims=json.dumps(claims)))


def test_each_claim_has_its_type() -> None:
    wrong: list[Any] = [None, True, -1, 1.5, 1e300, 1 << 60, "", "1800000000", [], [1], {}, "a b", "\ud800", "a" * 200]
    for claim in ("sub", "jti", "family", "client_id"):
        for value in wrong:
            assert value == "1800000000" or refused(forged(claims={claim: value})), (claim, value)
    for claim in ("iat", "exp", "epoch"):
        for value in wrong:
            assert refused(forged(claims={claim: value})), (claim, value)
    for value in [None, True, "operator", {"a": 1}, [1], [None], [["operator"]], ["a" * 200], ["Operator"], ["x"] * 33]:
        assert refused(forged(claims={"roles": value})), value


def test_a_program_has_scopes_and_no_log_in() -> None:
    claims = parts(issue(PROGRAM, REALM, RING))[1]
    without = json.dumps({name: value for name, value in claims.items() if name != "scope"})
    assert refused(forged(claims=without))
    assert refused(forged(claims=json.dumps(claims | {"family": "fa0000"})))
    assert refused(forged(claims={"scope": "node.read"})), "a person's token has none"


def test_a_key_that_is_there_twice_is_refused() -> None:
    _, claims = parts(forged())
    text = json.dumps(claims)
    assert refused(forged(claims=text[:-1] + ', "sub": "somebody"}'))
    assert refused(forged(f'{{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"{RING.signer[0]}"}}'))


@pytest.mark.parametrize(
    "claims",
    ["[" * 3000, '{"a":' * 1200, "[]", "null", "7", '"text"', "", "{", '{"exp": NaN}', '{"exp": Infinity}', "\x00", "9" * 5000],
)
def test_claims_that_are_no_object_or_nested_too_deep_are_refused(claims: str) -> None:
    assert refused(forged(claims=claims))


def test_nested_and_broken_headers_are_refused() -> None:
    for header in ("[" * 3000, '{"a":' * 1200, "[]", "", "{", "\x00"):
        text = forged(header)
        assert refused(text)
        with pytest.raises(TokenNotValid):
            kid_of(text)


def test_a_huge_text_is_refused_before_it_is_read() -> None:
    assert refused(forged(claims={"filler": "x" * 100_000}))
    assert refused("a" * 10_000_000)
    assert refused("." * 10_000_000)


def test_each_cut_of_a_token_is_refused() -> None:
    text = issue(ACCESS, REALM, RING)
    assert all(refused(text[:length]) for length in range(0, len(text), 7))
    assert all(refused(text[start:]) for start in range(1, len(text), 7))


def test_each_changed_character_is_refused() -> None:
    text = issue(ACCESS, REALM, RING)
    for at in range(len(text)):
        assert refused(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])


def test_there_is_one_way_to_write_a_token() -> None:
    """Somebody who lists tokens that were ended must find them."""
    header, claims, signature = issue(ACCESS, REALM, RING).split(".")
    last = signature[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare_bits = alphabet[alphabet.index(last) ^ 1]
    for text in (
        f"{header}.{claims}.{signature}==",
        f"{header}.{claims}.{signature[:-1]}{spare_bits}",
        f"{header}.{claims}.{signature}\n",
        f" {header}.{claims}.{signature}",
        f"{header}.{claims}.{signature.replace('-', '+').replace('_', '/')}+",
        f"{header}.{claims}.{signature}.",
        f"{header}..{claims}.{signature}",
    ):
        assert refused(text)


def test_a_key_that_was_replaced_verifies_until_its_tokens_are_over() -> None:
    text = issue(ACCESS, REALM, RING)
    newer = Ring(rotated(KEYS, bytes(32), NOW + 5))
    assert read(text, REALM, newer, NOW + 6) == ACCESS
    assert newer.signer[0] != RING.signer[0]
    assert refused(issue(ACCESS, REALM, newer)), "the ring of before does not know the new key"
    with pytest.raises(TokenNotValid):
        read(text, REALM, newer, NOW + 5 + KEPT_SECONDS)


@given(text=st.text() | st.text(alphabet=".eyJhbGciOiJFZERTQSJ9-_"))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(TokenNotValid):
        read(text, REALM, RING, NOW)


@given(
    claims=st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "jti", "iat", "exp", "roles", "epoch", "family", "client_id", "scope"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4),
    )
)
def test_no_claims_do_anything_but_be_read_or_refused(claims: dict[str, Any]) -> None:
    text = forged(claims=claims)
    with contextlib.suppress(TokenNotValid, TokenExpired):
        assert isinstance(read(text, REALM, RING, NOW), Access)
