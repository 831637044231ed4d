"""The messages, as JSON in text frames. schemas/signalling-1.schema.json is made from these models. Pure.

a peer ──register──▶ server            ──challenge, registered, error──▶ a peer
         prove
         offer, answer, candidate ─────offer, answer, candidate────────▶ another peer
         discover                      ──peers──▶
         ping, pong                    ──pong──▶
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

MOST_BYTES: Final = 32 << 10
"""Of one message: the longest descriptions that browsers make for video in groups have 20 KiB."""
LONGEST_SDP: Final = 30_000
MOST_LISTED: Final = 100
LONGEST_PLAIN: Final = 4096
"""Bytes of a letter that travels as it is; longer ones are deflated (RFC 1950), since a letter has 12 KiB at most."""
MOST_INFLATED: Final = MOST_BYTES + 1024
"""The longest message, and ids."""

PeerId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,64}$", description="What a peer calls itself.")]
Session = Annotated[str, Field(min_length=1, max_length=64, description="Which of several calls of two peers is meant.")]
Key = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{56,124}={0,2}$",
        description="An Ed25519 or ECDSA P-256 public key: base64 of its SubjectPublicKeyInfo (what exportKey gives for spki).",
    ),
]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Register(_Message):
    """Be known by that id from now on."""

    type: Literal["register"]
    id: PeerId
    key: Key | None = Field(default=None, description="Whoever has it proves it, and keeps the id.")
    token: str | None = Field(default=None, max_length=256, description="Where the server wants one.")


class Prove(_Message):
    """The answer to a challenge."""

    type: Literal["prove"]
    signature: str = Field(
        pattern=r"^[A-Za-z0-9+/]{86}==$", description="Base64 of 64 bytes: Ed25519, or r and s of ECDSA with SHA-256."
    )


class _Forwarded(_Message):
    """The server puts `from` in the place of `to`."""

    to: PeerId
    session: Session | None = None


class Offer(_Forwarded):
    """A session description (RFC 8829) that asks for a connection."""

    type: Literal["offer"]
    sdp: str = Field(min_length=1, max_length=LONGEST_SDP)


class Answer(_Forwarded):
    """A session description that answers an offer."""

    type: Literal["answer"]
    sdp: str = Field(min_length=1, max_length=LONGEST_SDP)


class IceCandidate(_Message):
    """As RTCIceCandidate.toJSON() gives it."""

    candidate: str = Field(max_length=1024)
    sdpMid: str | None = Field(default=None, max_length=64)  # noqa: N815  the W3C's names
    sdpMLineIndex: int | None = Field(default=None, ge=0, le=1023)  # noqa: N815
    usernameFragment: str | None = Field(default=None, max_length=256)  # noqa: N815


class Candidate(_Forwarded):
    """An address at which the other peer may try (RFC 8838)."""

    type: Literal["candidate"]
    candidate: IceCandidate | None = Field(description="null: there are no more.")


class Discover(_Message):
    """Who is here?"""

    type: Literal["discover"]
    id: PeerId | None = Field(default=None, description="Is that one here, or at the server of another node?")
    limit: int = Field(default=MOST_LISTED, ge=1, le=MOST_LISTED)


class Ping(_Message):
    """Are you there? The server itself asks by WebSocket's own ping, which browsers answer by themselves."""

    type: Literal["ping"]


class Pong(_Message):
    """Yes."""

    type: Literal["pong"]


Said = Register | Prove | Offer | Answer | Candidate | Discover | Ping | Pong
Forwarded = Offer | Answer | Candidate


class Challenge(_Message):
    """Sign the text `appliance-signalling-register-1`, host, id and nonce, with a line feed between two of them. `host` is what
    stands in the address that you connected to, with its port if that was written."""

    type: Literal["challenge"]
    nonce: str


class Registered(_Message):
    """The id is yours while the connection lasts; with a key also for an hour afterwards."""

    type: Literal["registered"]
    id: PeerId


class Peers(_Message):
    """Some that are here."""

    type: Literal["peers"]
    peers: list[PeerId]


class Error(_Message):
    """Something was not done."""

    type: Literal["error"]
    code: str = Field(description="docs/signalling.md has all of them.")
    message: str
    hint: str
    to: PeerId | None = Field(default=None, description="Whom it was for, where it was for a peer.")


class _FromPeer(_Message):
    sender: PeerId = Field(alias="from")
    session: Session | None = None


class OfferFrom(_FromPeer):
    """An offer of another peer."""

    type: Literal["offer"]
    sdp: str = Field(max_length=LONGEST_SDP)


class AnswerFrom(_FromPeer):
    """An answer of another peer."""

    type: Literal["answer"]
    sdp: str = Field(max_length=LONGEST_SDP)


class CandidateFrom(_FromPeer):
    """A candidate of another peer."""

    type: Literal["candidate"]
    candidate: IceCandidate | None


class Passed(_Message):
    """What the server of one member writes to that of another: either a message for a peer, or that a peer is not there."""

    to: PeerId
    message: Annotated[OfferFrom | AnswerFrom | CandidateFrom, Field(discriminator="type")] | None = None
    absent: PeerId | None = None


Told = Challenge | Registered | Peers | OfferFrom | AnswerFrom | CandidateFrom | Pong | Error

_SAID: Final = TypeAdapter[Said](Annotated[Said, Field(discriminator="type")])


class NoMessage(Exception):
    """It is no message; the text says why, and holds nothing of it but names of keys."""


def read(text: str) -> Said:
    """A message of a peer. Raises NoMessage."""
    try:
        return _SAID.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part)[:32] for part in first["loc"][:4])
        raise NoMessage(f"{where}: {first['msg'][:200]}" if where else str(first["msg"])[:200]) from None


def text_of(message: Mapping[str, Any]) -> str:
    """As it travels."""
    return to_json(message).decode()


def letter(to: str, text: str) -> bytes:
    """A message for a peer at another member; `text` as `forwarded` has it. `opened` reads it."""
    plain = b'{"to":' + to_json(to) + b',"message":' + text.encode() + b"}"
    return plain if len(plain) <= LONGEST_PLAIN else zlib.compress(plain)


def opened(content: bytes) -> Passed:
    """A letter that came. Raises ValueError for what is none; never has more than `MOST_INFLATED` bytes in hand."""
    if not content.startswith(b"{"):
        inflating = zlib.decompressobj()
        try:
            content = inflating.decompress(content, MOST_INFLATED)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not inflating.eof or inflating.unused_data:
            raise ValueError("it is longer, or shorter, than a letter may be")
    return Passed.model_validate_json(content)


def absent(to: str, peer: str) -> bytes:
    """What `to` wrote to that peer did not arrive."""
    return to_json({"to": to, "absent": peer})


def forwarded(message: Forwarded, sender: str) -> str:
    """The same message, as the other peer gets it."""
    told: dict[str, Any] = {"type": message.type, "from": sender}
    if message.session is not None:
        told["session"] = message.session
    if isinstance(message, Candidate):
        told["candidate"] = None if message.candidate is None else message.candidate.model_dump(exclude_unset=True)
    else:
        told["sdp"] = message.sdp
    return text_of(told)


def error(code: str, message: str, hint: str, to: str = "") -> str:
    """An error, as it travels."""
    return text_of({"type": "error", "code": code, "message": message, "hint": hint, **({"to": to} if to else {})})
