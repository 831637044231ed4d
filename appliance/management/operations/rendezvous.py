"""Rows about rendezvous: who is found under which tag."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from appliance.api.profile_values import RendezvousTag
from appliance.management.operations.row import Arguments, Result, Row, Verb


class TagNamed(Arguments):
    """Which tag."""

    tag: RendezvousTag = Field(description="1 to 64 letters, digits, `.`, `_`, `:` and `-`.")


class RegisterTag(TagNamed):
    """Under which tag, and for how long."""

    ttl: int = Field(default=7200, ge=60, le=259_200, description="Seconds for which it counts once this node is gone.")


class FindTagged(TagNamed):
    """Who is wanted."""

    limit: int = Field(default=100, ge=1, le=1024, description="Most members.")


class AtPlace(Result):
    """A registration at one meeting place."""

    place: str = Field(description="The member's name.")
    state: str = Field(description="`registered`, `asked`, `no answer`, or `refused: ` and why.")


class RegisteredTag(Result):
    """What this node has registered."""

    tag: str
    ttl: int = Field(description="Seconds.")
    expires: str = Field(description="RFC 3339; it is renewed before.")
    places: list[AtPlace]


class UnregisteredTag(Result):
    """What was there before."""

    tag: str
    was_registered: bool


class TaggedMember(Result):
    """Somebody who is registered under the tag."""

    name: str
    identity: str
    own: bool = Field(description="It is this node.")
    endpoints: list[str] = Field(description="Where it says that it is called.")
    relays: list[str] = Field(description="Members over which it says that it is reached.")
    expires: str = Field(description="RFC 3339.")


class TaggedMembers(Result):
    """Who is registered under a tag."""

    tag: str
    members: list[TaggedMember] = Field(description="By name.")
    answered: list[str] = Field(description="Meeting places that told all they have.")
    silent: list[str] = Field(description="Meeting places that did not.")


class MeetingPlace(Result):
    """A member with the role `rendezvous`."""

    name: str
    identity: str


class RendezvousState(Result):
    """The meeting places, and what this node has registered there."""

    serves: bool = Field(description="This node is a meeting place.")
    places: list[MeetingPlace]
    registered: list[RegisteredTag]


_TAG: Final = "Rendezvous"
_READ, _WRITE = "knowledge.read", "knowledge.write"
_PATH: Final = "/rendezvous/{tag}"
_EXAMPLE: Final = {"tag": "printers"}

ROWS: Final = (
    Row("rendezvous.list", "meeting places, and what is registered there", _TAG, _READ, Verb.GET, "/rendezvous", RendezvousState),
    Row(
        "rendezvous.find", "members that are registered under a tag", _TAG, _READ, Verb.GET, _PATH, TaggedMembers, FindTagged,
        seconds=15.0, example=_EXAMPLE,
    ),
    Row(
        "rendezvous.register", "be found under a tag", _TAG, _WRITE, Verb.PUT, _PATH, RegisteredTag, RegisterTag,
        seconds=15.0, example=_EXAMPLE | {"ttl": 7200},
    ),
    Row(
        "rendezvous.unregister", "be found under a tag no more", _TAG, _WRITE, Verb.DELETE, _PATH, UnregisteredTag, TagNamed,
        example=_EXAMPLE,
    ),
)  # fmt: skip
