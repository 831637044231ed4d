"""Signed texts in compact form (JWS, RFC 7515), as strictly as they may be read.

The algorithm is the reader's choice and never the text's (RFC 8725, 3.1): a text that names another is refused. Refused too is
what can be read in two ways: a JSON key that is there twice, base64url with spare bits or padding, extensions (`crit`). PyJWT
signs and verifies.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from jwt import InvalidKeyError, PyJWTError
from jwt.api_jws import PyJWS

MOST_CHARACTERS: Final = 8192
"""Of a text. What is longer is refused before anything of it is read."""
ALGORITHMS: Final = ("EdDSA", "ES256", "RS256", "PS256")
"""What may be verified, each by a key of its kind: EdDSA for our own tokens, the others for those of identity providers."""

_JWS: Final = PyJWS(algorithms=list(ALGORITHMS))


class NotSigned(Exception):
    """It is no signed text, or not signed by this key. The message is for tests and for the log, never for the caller."""


def signed(header: Mapping[str, Any], payload: bytes, key: Any, algorithm: str) -> str:
    """The text. `key`: a private key of `cryptography`."""
    return _JWS.encode(payload, key, algorithm=algorithm, headers=dict(header))


def header_of(text: str) -> dict[str, Any]:
    """The header of a text whose signature nobody has looked at. Raises NotSigned."""
    return _parts(text)[0]


def verified(text: str, key: Any, algorithm: str) -> bytes:
    """The payload. `key`: a public key of `cryptography`. Raises NotSigned."""
    header, payload = _parts(text)
    if algorithm not in ALGORITHMS or header.get("alg") != algorithm:
        raise NotSigned("another algorithm")
    if "crit" in header or "b64" in header:
        raise NotSigned("an extension")
    try:
        _JWS.decode(text, key, algorithms=[algorithm])
    except (PyJWTError, InvalidKeyError, TypeError, ValueError):
        raise NotSigned("another signature") from None
    return payload


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object in which no key is twice. Raises NotSigned, for whatever is nested too deep as well."""
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise NotSigned("no JSON object") from None
    if not isinstance(document, dict):
        raise NotSigned("no JSON object")
    return document


def _parts(text: str) -> tuple[dict[str, Any], bytes]:
    if len(text) > MOST_CHARACTERS or not text.isascii():
        raise NotSigned("too long, or no such text")
    pieces = text.split(".")
    if len(pieces) != 3 or not pieces[2]:
        raise NotSigned("not three parts")
    header, payload, _ = map(_decoded, pieces)
    return json_object(header), payload


def _decoded(piece: str) -> bytes:
    """base64url without padding, in its one form."""
    try:
        plain = base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NotSigned("no base64url") from None
    if base64.urlsafe_b64encode(plain).decode().rstrip("=") != piece:
        raise NotSigned("base64url in another form")
    return plain


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is there twice")
    return document


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
