"""Signatures of requests (Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from appliance.api.management import Refused

LEAST_BYTES: Final = 24
PREFIX: Final = b"whsec_"


def key_of(text: bytes) -> bytes:
    """The key that a file's text is, or says in Base64. Raises Refused."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text
    except binascii.Error:
        key = b""
    if len(key) < LEAST_BYTES:
        raise Refused(
            f"the secret of the webhook has less than {LEAST_BYTES} bytes", hint="make one: openssl rand -base64 32 > FILE"
        )
    return key


def headers_of(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that say which message it is, when it was sent (Unix seconds), and by whom."""
    signed = b"%s.%d.%s" % (message.encode(), timestamp, body)
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
