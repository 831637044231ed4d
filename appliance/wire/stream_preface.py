"""What is said at the beginning of a stream between two nodes, before its bytes: which service is wanted, and whether it is had.

     0        2                    2+n
    +--------+--------------------+- - - - - - - -
    | n, u16 | JSON in UTF-8      | the stream
    +--------+--------------------+- - - - - - - -

Each side says one, the caller first; whoever reads takes exactly these bytes, so what follows is the application's alone.

caller   {"service": "echo", "metadata": {"name": "text"}, "traceparent": "00-…"}     the last two may be left out
answer   {"ok": true}  or  {"refused": "no-such-service"}

Members that are not known are passed over: later versions say more. Where datagrams are wanted, each preface is one datagram.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from appliance.errors import LocalFault, PeerFault

HEAD_BYTES: Final = 2
MOST_BYTES: Final = 4096
"""Of the JSON. The first two letters of HTTP, TLS and SSH mean more than that, so such callers are refused at once."""
MOST_METADATA: Final = 32
MOST_TEXT: Final = 1024
"""Characters of a value of the metadata."""
SERVICE: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
"""A service's name: as a DNS label, and dots and underscores within."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""W3C Trace Context, section 3.2.2."""
_NOBODYS: Final = re.compile(r"..-(0{32}-.{16}|.{32}-0{16})-..")
"""Identifiers of zeros alone are none: whoever gets such a traceparent ignores it (section 3.2.2.3)."""


class StreamRefusal(StrEnum):
    """Why a node does not give a stream. The values travel, and are names of counters."""

    MALFORMED = "malformed"
    NO_SUCH_SERVICE = "no-such-service"
    NOT_ALLOWED = "not-allowed"
    BUSY = "busy"


class Wanted(NamedTuple):
    """What a caller asks for."""

    service: str
    metadata: Mapping[str, str] = {}
    """Whatever caller and service agreed on."""
    traceparent: str = ""
    """Which trace this belongs to (W3C Trace Context); "" if to none."""


def encode_wanted(wanted: Wanted) -> bytes:
    """The caller's preface. Raises LocalFault for what the other node would call malformed."""
    said: dict[str, Any] = {"service": wanted.service}
    if wanted.metadata:
        said["metadata"] = dict(wanted.metadata)
    if wanted.traceparent:
        said["traceparent"] = wanted.traceparent
    if problem := _problem(said):
        raise LocalFault(problem)
    framed = _framed(said)
    if len(framed) > HEAD_BYTES + MOST_BYTES:
        raise LocalFault(f"service, metadata and traceparent together have more than {MOST_BYTES} bytes")
    return framed


def encode_answer(refused: StreamRefusal | None) -> bytes:
    """The answer's preface; `refused` None: here is the stream."""
    return _framed({"ok": True} if refused is None else {"refused": refused})


def length_of(head: bytes) -> int:
    """How many bytes follow the first two. Raises PeerFault."""
    length = int.from_bytes(head, "big")
    if not 0 < length <= MOST_BYTES:
        raise PeerFault(StreamRefusal.MALFORMED)
    return length


def read_wanted(body: bytes) -> Wanted:
    """What is asked for, from the bytes behind the length. Raises PeerFault."""
    said = _object(body)
    if _problem(said):
        raise PeerFault(StreamRefusal.MALFORMED)
    trace = said.get("traceparent", "")
    return Wanted(said["service"], said.get("metadata", {}), "" if _NOBODYS.fullmatch(trace) else trace)


def unframed_wanted(datagram: bytes) -> Wanted:
    """What is asked for by a datagram, which is a whole preface. Raises PeerFault."""
    return read_wanted(_unframed(datagram))


def unframed_answer(datagram: bytes) -> StreamRefusal | None:
    """As `read_answer`, of a datagram that is a whole preface. Raises PeerFault."""
    return read_answer(_unframed(datagram))


def read_answer(body: bytes) -> StreamRefusal | None:
    """Why there is no stream, or None: there is one. Raises PeerFault."""
    match _object(body):
        case {"ok": True}:
            return None
        case {"refused": str(reason)}:
            known = {str(each): each for each in StreamRefusal}
            return known.get(reason, StreamRefusal.NOT_ALLOWED)
        case _:
            raise PeerFault(StreamRefusal.MALFORMED)


def _unframed(datagram: bytes) -> bytes:
    if len(datagram) != HEAD_BYTES + length_of(datagram[:HEAD_BYTES]):
        raise PeerFault(StreamRefusal.MALFORMED)
    return datagram[HEAD_BYTES:]


def _problem(said: Mapping[str, Any]) -> str:
    """What is wrong with what a caller says; "" if nothing is."""
    service, metadata, trace = said.get("service"), said.get("metadata", {}), said.get("traceparent", "")
    if not (isinstance(service, str) and SERVICE.fullmatch(service)):
        return "a service's name has 1 to 63 small letters, digits, dots, dashes and underscores"
    if not (isinstance(metadata, dict) and len(metadata) <= MOST_METADATA and all(map(_is_entry, metadata.items()))):
        return f"metadata has at most {MOST_METADATA} names with texts of at most {MOST_TEXT} characters"
    if not (isinstance(trace, str) and (not trace or _TRACEPARENT.fullmatch(trace))):
        return "a traceparent is not as W3C Trace Context says"
    return ""


def _is_entry(entry: tuple[object, object]) -> bool:
    name, text = entry
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and isinstance(text, str) and len(text) <= MOST_TEXT


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PeerFault(StreamRefusal.MALFORMED) from error
    if not isinstance(said, dict):
        raise PeerFault(StreamRefusal.MALFORMED)
    return said


def _framed(said: Mapping[str, Any]) -> bytes:
    body = json.dumps(said, separators=(",", ":")).encode()
    return len(body).to_bytes(HEAD_BYTES, "big") + body
