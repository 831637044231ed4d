"""What the machines of a member want done, and what they tell. Whoever drives them gathers these and does them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from appliance.members.row import Digest


class Say(NamedTuple):
    """Send a control message to a peer; it may be lost."""

    peer: Digest
    kind: str
    """Without its family."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """Have a session with a member from now on, and keep it alive."""

    member: Digest


@dataclass(frozen=True, slots=True)
class Release:
    """The session is not needed any more: it ends when nobody else uses it."""

    member: Digest


@dataclass(frozen=True, slots=True)
class Call:
    """See whether a session with a member can be had; nothing is to keep it alive."""

    member: Digest


class Happening(StrEnum):
    """What befell a member, or the network as this node sees it."""

    JOINED = "member-joined"
    """There is a row of a member that had none."""
    LEFT = "member-left"
    """It said that it leaves, or is no member any more."""
    SUSPECTED = "member-suspected"
    """Somebody had no answer from it."""
    DIED = "member-died"
    """It is taken for dead: nobody had an answer, and it did not contradict."""
    RETURNED = "member-returned"
    """One that was taken for dead is there."""
    PARTED = "network-parted"
    """A large part of the members was lost at once: a partition, or as good as one."""
    HEALED = "network-healed"
    """Most of what was lost then is back."""


class Told(NamedTuple):
    """Something an admin may want to know."""

    what: Happening
    member: Digest = b""
    """Whom it befell; nothing when it is about the network."""
    numbers: tuple[int, ...] = ()
    """PARTED: lost, left over. HEALED: back, still missing."""


Wish = Hold | Release | Call
