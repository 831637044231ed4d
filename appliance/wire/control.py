"""Control messages: one a record on channel 1 of a session, so authentic and secret already.

     0                                  h    h+1                n
    +----------------------------------+----+------------------+
    | head: JSON, {"kind": "F.N", …}   | 00 | body: raw bytes  |        the zero byte is there when there is a body
    +----------------------------------+----+------------------+

The head is one JSON object in UTF-8. JSON text has no zero byte (RFC 8259, section 7 escapes it), so the first one ends the head.
`kind` is the first member and is written without escapes, so that whose message it is can be seen before anything is parsed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from appliance.errors import LocalFault, PeerFault
from appliance.wire.faults import Fault

MAX_CONTROL_BYTES: Final = 16384
"""Head, zero byte and body together."""
MAX_HEAD_BYTES: Final = 8192
"""What is larger is no small message; a body costs nothing to parse (chosen: the worst head takes a millisecond)."""
MAX_DEPTH: Final = 16
"""Objects and arrays inside of each other, the message itself included."""
MAX_INTEGER: Final = 2**64 - 1
"""Largest absolute value of an integer; digits without end would cost quadratic time wherever the number is shown."""
MAX_NUMBER: Final = 2**53 - 1
"""Largest number of a request: every JSON library reads it exactly (RFC 7493, section 2.2)."""
RESERVED: Final = frozenset({"kind", "request", "response", "refused"})
"""Members of the head that are not content."""

KIND: Final = re.compile(r"([a-z][a-z0-9-]{0,30})(?:\.([a-z][a-z0-9_-]{0,31}))?")
"""FAMILY or FAMILY.NAME: which peer protocol a message belongs to, and which of its messages it is."""
_HEAD_START: Final = re.compile(
    rb'[ \t\r\n]*\{[ \t\r\n]*"kind"[ \t\r\n]*:[ \t\r\n]*"([a-z][a-z0-9-]{0,30})(?:\.[a-z][a-z0-9_-]{0,31})?"'
)
_ZERO: Final = b"\0"


class ControlMessage(NamedTuple):
    """One message. At most one of `request` and `response` is there."""

    kind: str
    """FAMILY or FAMILY.NAME."""
    content: Mapping[str, Any]
    """The head without its reserved members."""
    body: bytes = b""
    request: int | None = None
    """An answer with this number is wanted; 1 to MAX_NUMBER, drawn at random by who asks."""
    response: int | None = None
    """This answers the request of that number."""
    refused: bool = False
    """With `response`: there is no answer, and there will be none."""

    @property
    def family(self) -> str:
        """Which peer protocol it belongs to."""
        return self.kind.partition(".")[0]

    @property
    def name(self) -> str:
        """Which message of its family it is; "" when the family has one kind only."""
        return self.kind.partition(".")[2]


def encode(message: ControlMessage) -> bytes:
    """The bytes of `message`. Raises LocalFault when a peer would refuse them: too long, too deep, or not JSON."""
    taken = RESERVED & message.content.keys()
    if taken:
        raise LocalFault(f"a control message whose content has the reserved member {min(taken)!r}")
    head: dict[str, Any] = {"kind": message.kind}
    if message.request is not None:
        head["request"] = message.request
    if message.response is not None:
        head["response"] = message.response
    if message.refused:
        head["refused"] = True
    head |= message.content
    try:
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalFault(f"a control message that is not JSON: {error}") from None
    encoded = text + _ZERO + message.body if message.body else text
    try:
        decode(encoded)
    except PeerFault as fault:
        raise LocalFault(f"a control message of {len(encoded)} bytes that is {fault.message}") from None
    return encoded


def family_of(encoded: bytes) -> str | None:
    """Which family a message belongs to, by its first bytes. None when it is not a valid message."""
    found = _HEAD_START.match(encoded)
    return found[1].decode() if found is not None else None


def decode(encoded: bytes) -> ControlMessage:
    """The message. Raises PeerFault if it is not a valid one."""
    if len(encoded) > MAX_CONTROL_BYTES:
        raise PeerFault(Fault.TOO_LONG)
    text, _, body = encoded.partition(_ZERO)
    if len(text) > MAX_HEAD_BYTES:
        raise PeerFault(Fault.TOO_LONG)
    if _HEAD_START.match(text) is None:
        raise PeerFault(Fault.MALFORMED)
    head = _read(text)
    kind = head.pop("kind")
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        raise PeerFault(Fault.MALFORMED)
    request, response, refused = head.pop("request", None), head.pop("response", None), head.pop("refused", False)
    numbers = [number for number in (request, response) if number is not None]
    if len(numbers) > 1 or not all(type(number) is int and 1 <= number <= MAX_NUMBER for number in numbers):
        raise PeerFault(Fault.MALFORMED)
    if refused is not False and (refused is not True or response is None):
        raise PeerFault(Fault.MALFORMED)
    return ControlMessage(kind, head, body, request, response, refused)


def _read(text: bytes) -> dict[str, Any]:
    try:
        head = _DECODER.decode(text.decode())
        if b"\\u" in text:
            json.dumps(head, ensure_ascii=False).encode()  # half of a surrogate pair would raise wherever it is shown
    except (ValueError, RecursionError):
        raise PeerFault(Fault.MALFORMED) from None
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _is_deep(head):
        raise PeerFault(Fault.MALFORMED)
    result: dict[str, Any] = head
    return result


def _is_deep(head: dict[str, Any]) -> bool:
    level: list[Any] = [head]
    for _ in range(MAX_DEPTH):
        values = [each.values() if isinstance(each, dict) else each for each in level]
        level = [value for inside in values for value in inside if isinstance(value, dict | list)]
    return bool(level)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member is there twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 21 or abs(number := int(digits)) > MAX_INTEGER:
        raise ValueError("an integer is too large")
    return number


def _fraction(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
