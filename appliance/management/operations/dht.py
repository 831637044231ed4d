"""Rows about the network's hash table (docs/dht.md)."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from appliance.management.operations.row import Arguments, Result, Row, Verb

_TAG: Final = "Hash table"
_SECONDS: Final = Field(default=86400.0, ge=60, le=7 * 86400, description="For how long it is kept.")


class Key(Arguments):
    """Which key."""

    key: str = Field(min_length=1, max_length=128, description="A text without control characters, 128 bytes at most.")


class Put(Key):
    """A record of this node: either a text or any bytes."""

    value: str | None = Field(default=None, max_length=1024, description="A text, 1,024 bytes at most.")
    base64: str | None = Field(default=None, max_length=1368, description="The same for bytes that are no text.")
    seconds: float = _SECONDS


class Provide(Key):
    """What this node has."""

    seconds: float = _SECONDS
    withdraw: bool = Field(default=False, description="It has it no more.")


class Member(Arguments):
    """Which member."""

    member: str = Field(min_length=1, max_length=255, description="Its name, or its identity.")


class MemberShown(Result):
    """A member."""

    name: str = Field(description="The identity again if it has no certificate.")
    identity: str


class LookUp(Result):
    """How a look-up went."""

    hops: int = Field(description="Members on the way to the one that answered.")
    seconds: float


class Kept(LookUp):
    """A record that is kept."""

    key: str
    stored_at: int = Field(description="How many members keep it, this node included.")


class Record(Result):
    """What one member put under a key."""

    value: str | None = Field(description="The text; null if it is none.")
    base64: str
    by: MemberShown
    sequence: str = Field(description="Of two records of a member the one with the higher number counts. A number of 64 bits.")
    written: str
    expires: str


class Records(LookUp):
    """All records under a key, one of each writer."""

    key: str
    records: list[Record]


class Providers(LookUp):
    """Who says to have something."""

    key: str
    providers: list[MemberShown]


class FoundMember(LookUp):
    """A member that was looked for."""

    name: str
    identity: str
    answers: bool = Field(description="It answered itself.")
    endpoints: list[str] = Field(description="Where it says that it can be called.")
    relays: list[MemberShown] = Field(description="Over whom, too.")
    called_at: list[str] = Field(description="What of that can be called from here, best first.")
    closest: list[MemberShown] = Field(description="The members closest to it that answered.")


class Node(MemberShown):
    """A member in this node's table."""

    id: str = Field(description="Its point in the space of 160 bits.")
    bucket: int
    heard_s: float = Field(description="Seconds since it answered last.")
    failures: int = Field(description="Questions without an answer since then.")


class Nodes(Result):
    """This node's table."""

    id: str
    nodes: list[Node]
    stats: dict[str, int]
    figures: dict[str, Any]
    warning: str


ROWS: Final = (
    Row(
        "dht.put", "put a record of this node into the hash table", _TAG, "knowledge.write", Verb.PUT, "/dht/records/{key}",
        Kept, Put, fails=(409,), seconds=30.0, example={"key": "menu", "value": "soup", "seconds": 3600},
    ),
    Row(
        "dht.get", "look up the records under a key", _TAG, "knowledge.read", Verb.GET, "/dht/records/{key}", Records, Key,
        fails=(404, 409), seconds=30.0, example={"key": "menu"},
    ),
    Row(
        "dht.provide", "say that this node has what a key names", _TAG, "knowledge.write", Verb.PUT, "/dht/providers/{key}",
        Kept, Provide, fails=(409,), seconds=30.0, example={"key": "backup-2026"},
    ),
    Row(
        "dht.providers", "look up who has what a key names", _TAG, "knowledge.read", Verb.GET, "/dht/providers/{key}",
        Providers, Key, fails=(404, 409), seconds=30.0, example={"key": "backup-2026"},
    ),
    Row(
        "dht.find", "look up where a member is, by its identity alone", _TAG, "knowledge.read", Verb.GET,
        "/dht/members/{member}", FoundMember, Member, fails=(404, 409), seconds=30.0, example={"member": "laptop"},
    ),
    Row(
        "dht.nodes", "this node's table", _TAG, "knowledge.read", Verb.GET, "/dht/nodes", Nodes, fails=(409,), fresh=0.25
    ),
    Row(
        "dht.add", "have a member asked, so that it comes into this node's table", _TAG, "knowledge.write", Verb.POST,
        "/dht/nodes", MemberShown, Member, success=202, fails=(409,), example={"member": "laptop"},
        about="It is in the table once it has answered.",
    ),
    Row(
        "dht.remove", "have a member in this node's table no more", _TAG, "knowledge.write", Verb.DELETE,
        "/dht/nodes/{member}", MemberShown, Member, fails=(404, 409), example={"member": "laptop"},
        about="It comes back when it answers again.",
    ),
)  # fmt: skip
