"""One topic as one node sees it: its mesh, and who may come into it.

A mesh is symmetric. Along each of its links, in each direction, messages go either eagerly, that is whole and at once, or lazily:
then only ids are told. A node lets two of its links be eager and asks for what they do not bring (Plumtree: Leitão, Pereira,
Rodrigues 2007, "Epidemic Broadcast Trees"). With gossipsub, where all links are eager, each message would come five times.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from appliance.members.row import Digest

D: Final = 6
D_LOW: Final = 5
D_HIGH: Final = 12
D_SCORE: Final = 4
"""How many of the best stay when a mesh is cut down to D."""
D_OUT: Final = 2
"""How many stay that we chose ourselves: whoever wants to surround us would have to be chosen."""
EAGER: Final = 2
"""Links that bring messages whole. Chosen: with one, each lost message or silent peer costs a pause; with three, each message
comes three times."""
MOST_CANDIDATES: Final = 64
MOST_BACKED_OFF: Final = 1024


class Link:
    """A member of the mesh."""

    __slots__ = ("answered", "asked_at", "eager_in", "eager_out", "gave_at", "ours", "since", "tries")

    def __init__(self, since: float, *, ours: bool, eager_in: bool, eager_out: bool) -> None:
        self.since = since
        self.ours = ours
        """We asked for it."""
        self.eager_in = eager_in
        """It is to send us messages at once."""
        self.eager_out = eager_out
        """It wants us to."""
        self.answered = not ours
        self.asked_at = since
        self.tries = 1
        self.gave_at = since
        """When it last brought a message that was new."""


class Topic:
    """One that this node subscribes to, or publishes in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.subscribed = False
        self.links: dict[Digest, Link] = {}
        self.backoff: OrderedDict[Digest, float] = OrderedDict()
        """Who is not asked, and may not ask, before when."""
        self.candidates: OrderedDict[Digest, None] = OrderedDict()
        """Members without a session that are said to subscribe."""
        self.publishes_until = 0.0
        """Peers are kept for it until then although we do not subscribe."""
        self.seek_at = 0.0
        self.seek_pause = 1.0
        self.renew_at = 0.0

    def is_used(self, now: float) -> bool:
        """Does anybody of this host want it?"""
        return self.subscribed or self.publishes_until > now

    @property
    def eager(self) -> list[Digest]:
        """Who sends us messages at once."""
        return [member for member, link in self.links.items() if link.eager_in]

    def suggest(self, member: Digest) -> None:
        """It is said to subscribe."""
        self.candidates[member] = None
        if len(self.candidates) > MOST_CANDIDATES:
            self.candidates.popitem(last=False)

    def is_backed_off(self, member: Digest, now: float) -> bool:
        """May it not be asked yet?"""
        return self.backoff.get(member, 0.0) > now

    def back_off(self, member: Digest, until: float) -> None:
        """It is not asked before then. An earlier promise stays."""
        self.backoff[member] = max(until, self.backoff.get(member, 0.0))
        if len(self.backoff) > MOST_BACKED_OFF:
            self.backoff.popitem(last=False)

    def least_useful(self) -> Digest:
        """Of the eager ones, the one that brought nothing new for longest."""
        return min(self.eager, key=lambda member: self.links[member].gave_at)


def survivors(ranked: Sequence[Digest], chosen: Sequence[Digest], ours: set[Digest]) -> list[Digest]:
    """Who stays of a mesh that is too large. `ranked`: all, best first; `chosen`: all, in an order drawn by lot."""
    kept = list(ranked[:D_SCORE])
    kept += [member for member in chosen if member not in kept][: D - len(kept)]
    lacking = D_OUT - sum(member in ours for member in kept)
    for member in [member for member in ranked if member in ours and member not in kept][: max(0, lacking)]:
        spare = next(each for each in reversed(kept) if each not in ours)
        kept[kept.index(spare)] = member
    return kept
