"""Rows about scores and blocks of peers."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from appliance.management.operations.row import Arguments, Page, Result, Row, Verb

_PEERS: Final = "Peers"


class BlockPeer(Arguments):
    """Whom to block."""

    name: str = Field(description="A name of a peer or member, or an identity.", max_length=256)
    seconds: float | None = Field(default=None, gt=0, le=315_360_000, description="For so long; null: until it is taken back.")
    reason: str = Field(default="", max_length=200, description="For whoever asks later.")


class WhichPeer(Arguments):
    """Who it is about."""

    name: str = Field(description="A name of a peer or member, or an identity.", max_length=256)


class Blocked(Result):
    """A block that was made."""

    name: str
    identity: str
    alone: bool = Field(description="The node has a session with nobody now: it may not find its network again.")
    left_s: int | None = Field(description="Seconds until it ends; null if it does not by itself.")
    until: str | None


class Unblocked(Result):
    """A block that was taken back."""

    name: str
    identity: str


class Block(Result):
    """A block: the peer has no session."""

    reason: str
    by: str | None = Field(description="Who said so; null: the node itself.")
    since_s: int
    since: str
    left_s: int | None = Field(description="Seconds until it ends; null if it does not by itself.")
    until: str | None


class Reason(Result):
    """What a member did."""

    what: str
    count: int
    points: float = Field(description="What of it still counts; below 0: against the member.")
    first_s: int = Field(description="Seconds since the first time.")
    last_s: int = Field(description="Seconds since the last time.")


class Score(Result):
    """What the node thinks of a member, by what it saw itself."""

    name: str
    identity: str
    value: float = Field(description="-100 to 100.")
    standing: str = Field(description="good, usual, doubtful or blocked.")
    block: Block | None
    held_off: str | None = Field(description="Why it is not blocked although its value is low enough.")
    reasons: list[Reason] = Field(description="The worst first.")


class Scores(Result):
    """A page of scores, by name."""

    items: list[Score]
    next: str = Field(description="Give it as `after` for the next page; empty at the end.")


ROWS: Final = (
    Row("scores", "what the node thinks of members, and why", _PEERS, "knowledge.read", Verb.GET, "/scores", Scores, Page,
        listed_by="name"),
    Row("block_peer", "have no session with a peer", _PEERS, "node.change", Verb.POST, "/peers/{name}/block", Blocked, BlockPeer,
        fails=(404, 409), example={"name": "laptop", "seconds": 3600, "reason": "it floods"}),
    Row("unblock_peer", "take a block of a peer back", _PEERS, "node.change", Verb.DELETE, "/peers/{name}/block", Unblocked,
        WhichPeer, fails=(404, 409), example={"name": "laptop"}),
)  # fmt: skip
