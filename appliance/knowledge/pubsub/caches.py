"""What a node remembers of messages: that it saw them, until they expire; and the newest of them themselves, to hand on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from appliance.members.row import Digest

MOST_SEEN: Final = 32768
"""Ids. Chosen: a hundred messages a second for as long as messages are good, in 5 MB."""
MOST_KEPT_BYTES: Final = 4 << 20
"""Of messages that are kept."""
KEPT_SECONDS: Final = 30.0
"""How long a message can be had from us."""
MOST_GIVEN: Final = 3
"""How often one peer gets one message when it asks for it (gossipsub 1.1, spam protection)."""


class Seen:
    """Ids of messages that were taken, or refused for good; in the order in which they came."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, tuple[float, Digest, int]] = OrderedDict()
        """By id: when it expires, who wrote it, and when."""
        self._floors: dict[Digest, int] = {}
        """Of authors whose ids were forgotten before they expired: when the last of these was written."""

    def __contains__(self, ident: bytes) -> bool:
        return ident in self._until

    def __len__(self) -> int:
        return len(self._until)

    def may_be_forgotten(self, author: Digest, written: int) -> bool:
        """It may have come before, and nobody knows any more: it is refused."""
        return written <= self._floors.get(author, -1)

    def add(self, ident: bytes, author: Digest, written: int, until: float, now: float) -> None:
        """It came. `until`: when it is too old to be taken, on our clock."""
        self._until[ident] = until, author, written
        while self._until:
            first = next(iter(self._until))
            expires, who, wrote = self._until[first]
            if expires > now:
                if len(self._until) <= MOST_SEEN:
                    break
                self._floors[who] = max(wrote, self._floors.get(who, -1))
            del self._until[first]


class Kept:
    """One message, and who is known to have it."""

    __slots__ = ("at", "author", "encoded", "given", "holders", "id", "senders", "topic")

    def __init__(self, ident: bytes, topic: str, author: Digest, encoded: bytes, at: float) -> None:
        self.id = ident
        self.topic = topic
        self.author = author
        self.encoded = encoded
        self.at = at
        self.holders: set[Digest] = set()
        """Who sent it or said so."""
        self.senders: set[Digest] = set()
        """Who sent it."""
        self.given: dict[Digest, int] = {}
        """To whom it was sent, and how often since it asked."""


class Cache:
    """The newest messages. Bounded in time and bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self.size = 0
        """Bytes."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, ident: bytes) -> Kept | None:
        """If it is still there."""
        return self._kept.get(ident)

    def add(self, kept: Kept) -> None:
        """A new one."""
        self._kept[kept.id] = kept
        self.size += len(kept.encoded)
        while self.size > MOST_KEPT_BYTES:
            self._drop_first()

    def age(self, now: float) -> None:
        """Forget what is too old."""
        while self._kept and next(iter(self._kept.values())).at + KEPT_SECONDS <= now:
            self._drop_first()

    def since(self, at: float) -> Iterator[Kept]:
        """What came after that, newest first."""
        for kept in reversed(self._kept.values()):
            if kept.at <= at:
                return
            yield kept

    def forget(self, member: Digest) -> None:
        """Its session ended: whether it has something is not known any more when it comes back."""
        for kept in self._kept.values():
            kept.holders.discard(member)
            kept.senders.discard(member)
            kept.given.pop(member, None)

    def _drop_first(self) -> None:
        _, kept = self._kept.popitem(last=False)
        self.size -= len(kept.encoded)
