"""What people carry from machine to machine as text: a request for a certificate, and what a network's key and statements are.

Both are PEM blocks (RFC 7468), so that they survive mail and clipboards:

    APPLIANCE REQUEST    public identity, 2,624 bytes | signature over "LLP1 request" || digest of the identity, 4,691 bytes
    APPLIANCE NETWORK    the network's public key, 2,624 bytes | statements, each behind its length (u32)

A request is signed, so that nobody asks for a certificate with half of somebody else's key. Neither is secret.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode, PeerFault
from appliance.members.network import NetworkKey
from appliance.members.statement import MAX_STATEMENT_BYTES
from appliance.protocol.identity import PUBLIC_BYTES, SIGNATURE_BYTES, Identity, PublicIdentity

REQUEST_LABEL: Final = b"LLP1 request"
MAX_BYTES: Final = 64 << 20
"""Longest text: every statement that a network may have, and more."""
_REQUEST, _NETWORK = "APPLIANCE REQUEST", "APPLIANCE NETWORK"
_LENGTH_BYTES: Final = 4
_COLUMNS: Final = 64


class NotCarried(ApplianceError):
    """The text is not what was to be carried, or was damaged on the way."""

    exit_code = ExitCode.INVALID


class Bundle(NamedTuple):
    """A network's key and statements about it. They are judged by whoever takes them."""

    network: NetworkKey
    statements: tuple[bytes, ...]


def request_of(identity: Identity) -> str:
    """What a node hands to whoever signs."""
    digest = identity.public.digest
    return _armoured(_REQUEST, identity.public.encoded + identity.sign(REQUEST_LABEL + digest))


def read_request(text: str) -> PublicIdentity:
    """Who asks; it has both keys. Raises NotCarried."""
    hint = "on the node that wants a certificate: appliance network request"
    data = _bare(_REQUEST, text, hint)
    if len(data) != PUBLIC_BYTES + SIGNATURE_BYTES:
        raise NotCarried("the request is damaged", hint=hint)
    identity = PublicIdentity(data[:PUBLIC_BYTES])
    try:
        identity.verify(data[PUBLIC_BYTES:], REQUEST_LABEL + identity.digest)
    except PeerFault:
        raise NotCarried("the request is damaged: its signature is not good", hint=hint) from None
    return identity


def bundle_of(network: NetworkKey, statements: Iterable[bytes]) -> str:
    """What a node takes, or a backup keeps."""
    packed = (len(each).to_bytes(_LENGTH_BYTES, "big") + each for each in statements)
    return _armoured(_NETWORK, network.encoded + b"".join(packed))


def read_bundle(text: str) -> Bundle:
    """Raises NotCarried."""
    hint = "`appliance network export` and `appliance network sign` write such files"
    data = _bare(_NETWORK, text, hint)
    if len(data) < PUBLIC_BYTES:
        raise NotCarried("the file is damaged", hint=hint)
    found, at = [], PUBLIC_BYTES
    while at < len(data):
        end = at + _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        if end > len(data) or end - at > _LENGTH_BYTES + MAX_STATEMENT_BYTES:
            raise NotCarried("the file is damaged", hint=hint)
        found.append(data[at + _LENGTH_BYTES : end])
        at = end
    return Bundle(NetworkKey(data[:PUBLIC_BYTES]), tuple(found))


def _armoured(label: str, data: bytes) -> str:
    text = b64encode(data).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


def _bare(label: str, text: str, hint: str) -> bytes:
    found = re.search(f"-----BEGIN {label}-----(.*?)-----END {label}-----", text, re.DOTALL)
    if found is None:
        raise NotCarried(f"there is no block {label} in it", hint=hint)
    try:
        return b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        raise NotCarried(f"the block {label} is damaged", hint=hint) from None
