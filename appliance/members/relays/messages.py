"""The control messages of the family `relay` (docs/protocol.md, "Relays"), and why something is refused or over.

user ── reserve ──▶ relay              may I be called over you?
caller ── connect ──▶ relay ── incoming ──▶ callee      join us; each side names the channel that it opens on its session
user ◀── close ──▶ relay               a circuit is over
user ── measure ──▶ relay              are you there, how busy are you, and which circuits do we have?
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from appliance.api.peer_protocol import Answer, Limits
from appliance.protocol.identity import PREFIX
from appliance.wire.envelope import CHANNEL_FIRST, CHANNEL_LAST

FAMILY: Final = "relay"
LIMITS: Final = Limits(messages=20.0, bytes=32768.0, waiting=64, requests=32)
"""What one peer may say in this family: 16 circuits that are measured and made anew all at once."""
ID_BYTES: Final = 8
"""Of a circuit's number, which the relay draws at random."""
MOST_TOLD: Final = 64
"""Circuits in one `measure`: as many as one peer can have."""

_IDENTITY: Final = re.compile(rf"{PREFIX}[a-z2-7]{{51}}[aq]", re.ASCII)
_ID: Final = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}", re.ASCII)


class Reason(StrEnum):
    """Why a relay, or who is called, refuses. The values travel and are names of counters."""

    MALFORMED = "malformed"
    NOT_SERVING = "not-serving"
    """It is no relay."""
    NOT_ALLOWED = "not-allowed"
    """It is no relay for this node, or not for the one that is called."""
    NOT_THERE = "not-there"
    """The relay has no session with the one that is called, or no reservation of it."""
    FULL = "full"
    """As many reservations or circuits as there may be at all."""
    TOO_MANY = "too-many"
    """As many circuits as one peer may have."""
    TOO_FAST = "too-fast"
    """More attempts than one peer may make in a while."""
    CIRCLE = "circle"
    """The circuit would go through one of its own ends."""
    TOO_FAR = "too-far"
    """More relays in a row than there may be."""
    CHANNEL_TAKEN = "channel-taken"
    SILENT = "silent"
    """The one that is called, or the relay itself, did not answer."""
    UNKNOWN_CALLER = "unknown-caller"
    """The one that is called does not know who calls."""
    BUSY = "busy"
    """The one that is called takes no further strangers at the moment."""


class End(StrEnum):
    """Why a circuit is over."""

    CLOSED = "closed"
    """One of its ends closed it."""
    GONE = "gone"
    """The session between the relay and one of its ends is over."""
    TIME = "time"
    BYTES = "bytes"
    IDLE = "idle"
    """Nothing went through for a while, and another one needed its place."""
    REPLACED = "replaced"
    """The same caller called the same callee again."""
    FORGOTTEN = "forgotten"
    """The other side knows nothing of it."""
    SILENT = "silent"
    """The relay did not answer."""
    SHUTDOWN = "shutdown"


class CircuitRefused(Exception):
    """There will be no circuit, or no reservation."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Connect(NamedTuple):
    """A caller wants a circuit."""

    to: str
    """Fingerprint of who is called."""
    channel: int
    """What the caller opens on its session with the relay."""


class Incoming(NamedTuple):
    """A relay offers a circuit to who is called."""

    caller: str
    """Fingerprint; the handshake will prove it."""
    channel: int
    """What the relay opens on its session with who is called."""
    circuit: str
    relays: int
    """How many relays are between the two."""


class Made(NamedTuple):
    """The relay has made a circuit."""

    circuit: str
    relays: int


class Load(NamedTuple):
    """How a relay is, as it says itself."""

    circuits: tuple[str, ...]
    """Those that it has with who asked."""
    used: float
    """The share of its circuits that are taken, 0 to 1."""
    reserved: bool
    """Has it a reservation of who asked?"""


def refusal(reason: Reason) -> Answer:
    """An answer that says no. (That a request is refused says nothing; here the reason helps.)"""
    return Answer({"because": str(reason)})


def judge(answer: Answer) -> Mapping[str, Any]:
    """The content of an answer that says yes. Raises CircuitRefused; a reason that is unknown here is `malformed`."""
    because = answer.content.get("because")
    if because is None:
        return answer.content
    raise CircuitRefused(next((reason for reason in Reason if reason == because), Reason.MALFORMED))


def read_connect(content: Mapping[str, Any]) -> Connect:
    """Raises CircuitRefused."""
    return Connect(_identity(content.get("to")), _channel(content.get("channel")))


def read_incoming(content: Mapping[str, Any]) -> Incoming:
    """Raises CircuitRefused."""
    return Incoming(
        _identity(content.get("from")),
        _channel(content.get("channel")),
        _circuit(content.get("circuit")),
        _relays(content.get("relays")),
    )


def read_made(content: Mapping[str, Any]) -> Made:
    """Raises CircuitRefused."""
    return Made(_circuit(content.get("circuit")), _relays(content.get("relays")))


def read_close(content: Mapping[str, Any]) -> tuple[str, End]:
    """The circuit, and why it is over as the other side says. Raises CircuitRefused."""
    why = content.get("because")
    return _circuit(content.get("circuit")), next((end for end in End if end == why), End.CLOSED)


def read_circuits(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The circuits that the other side knows. Raises CircuitRefused."""
    told = content.get("circuits")
    if not isinstance(told, list) or len(told) > MOST_TOLD:
        raise CircuitRefused(Reason.MALFORMED)
    return tuple(map(_circuit, told))


def read_load(content: Mapping[str, Any]) -> Load:
    """Raises CircuitRefused."""
    used, reserved = content.get("used"), content.get("reserved")
    if not isinstance(used, int | float) or isinstance(used, bool) or not isinstance(reserved, bool):
        raise CircuitRefused(Reason.MALFORMED)
    return Load(read_circuits(content), min(max(float(used), 0.0), 1.0), reserved)


def _identity(value: object) -> str:
    if isinstance(value, str) and _IDENTITY.fullmatch(value):
        return value
    raise CircuitRefused(Reason.MALFORMED)


def _circuit(value: object) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise CircuitRefused(Reason.MALFORMED)


def _channel(value: object) -> int:
    return _whole(value, CHANNEL_FIRST, CHANNEL_LAST)


def _relays(value: object) -> int:
    return _whole(value, 1, CHANNEL_LAST)


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise CircuitRefused(Reason.MALFORMED)
