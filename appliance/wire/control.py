"""Control messages: one JSON object a record on channel 1 of a session, so authentic and secret already.

{"kind": "…", …}      UTF-8, at most 16 KiB; `kind` is a short name, what else is there depends on it
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from appliance.errors import LocalFault, PeerFault
from appliance.wire.faults import Fault

MAX_CONTROL_BYTES = 16384
MAX_KIND_CHARACTERS = 64


class ControlMessage(NamedTuple):
    """`content` is the object without its `kind`."""

    kind: str
    content: dict[str, Any]


def encode(message: ControlMessage) -> bytes:
    """The text of `message`. Raises LocalFault when it is too long."""
    body = json.dumps({"kind": message.kind, **message.content}, separators=(",", ":")).encode()
    if len(body) > MAX_CONTROL_BYTES:
        raise LocalFault(f"a control message of {len(body)} bytes")
    return body


def decode(body: bytes) -> ControlMessage:
    """The message. Raises PeerFault for whatever is none."""
    if len(body) > MAX_CONTROL_BYTES:
        raise PeerFault(Fault.TOO_LONG)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise PeerFault(Fault.MALFORMED) from None
    if not isinstance(content, dict):
        raise PeerFault(Fault.MALFORMED)
    kind = content.pop("kind", None)
    if not isinstance(kind, str) or not 1 <= len(kind) <= MAX_KIND_CHARACTERS:
        raise PeerFault(Fault.MALFORMED)
    return ControlMessage(kind, content)
