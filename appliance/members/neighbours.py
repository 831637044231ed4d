"""Which few members a node keeps a session with, so that the network hangs together without everybody knowing everybody.

HyParView (Leitão, Pereira, Rodrigues 2007): a small active view, symmetric and kept alive, and a larger passive one of members
that take the place of a neighbour that is lost.

    join        the sender has no neighbour and wants to be one            forward     a member joined: walk on, or take it
    neighbour   may I be yours?                                            accept · refuse · part
    shuffle     here are members that I know of; give me some of yours     shuffled

Departures: a shuffle goes to a neighbour and not along a walk, since its answer would need a session of its own; whoever has most
of its neighbours is content and looks for others seldom, since each try may cost a handshake; and a session that there is anyway
is preferred to a new one. The members that the roster knows are the reserve behind the passive view.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from appliance.members.effects import Hold, Release, Say, Wish
from appliance.members.row import DIGEST_BYTES, Digest

ACTIVE: Final = 5
PASSIVE: Final = 30
WALK: Final = 6
"""Steps of a forward before a member is taken as neighbour (ARWL of the paper)."""
PASSIVE_WALK: Final = 3
"""Steps left when it is noted as passive (PRWL)."""
SHUFFLE_SECONDS: Final = 60.0
SHUFFLED_ACTIVE: Final = 3
SHUFFLED_PASSIVE: Final = 4
PENDING_SECONDS: Final = 10.0
"""How long a member may take to become a neighbour: a relay and a handshake fit."""
AGAIN_SECONDS: Final = 2.0
"""Until the question is asked again: messages may be lost."""
GRACE_SECONDS: Final = 5.0
"""How long a neighbour may be without a session: restarts and roaming take less."""
SEEK_SECONDS: Final = (1.0, 1.0, 2.0, 4.0, 30.0)
"""Between two looks for more neighbours, by how many there are."""
NOBODY_SECONDS: Final = 5.0
"""The same when there is nobody to ask."""
REFUSED_SECONDS: Final = 60.0
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 300.0
"""After a member that could not be reached: doubled each time."""
MOST_FAILED: Final = 1024

_FORWARD: Final = struct.Struct("!B32s")


class Kind(StrEnum):
    """Its messages, in the family `liveness`."""

    JOIN = "join"
    FORWARD = "forward"
    NEIGHBOUR = "neighbour"
    ACCEPT = "accept"
    REFUSE = "refuse"
    PART = "part"
    SHUFFLE = "shuffle"
    SHUFFLED = "shuffled"


class Neighbours:
    """The neighbours of one node."""

    def __init__(
        self,
        own: Digest,
        known: Callable[[], Sequence[Digest]],
        may_be: Callable[[Digest], bool],
        jitter: Callable[[], float],
        now: float,
    ) -> None:
        """`known()`: members that may be there, in a stated order. `may_be(member)`: is it one of them? `jitter`: a random number
        in [0, 1)."""
        self.active: dict[Digest, float | None] = {}
        """Neighbours, and since when one has no session. Read only."""
        self.passive: dict[Digest, None] = {}
        self.sessions: set[Digest] = set()
        """Members with a session now."""
        self.said: list[Say] = []
        self.wishes: list[Wish] = []
        self.gained: list[Digest] = []
        """Who became a neighbour, until somebody takes note."""
        self._own = own
        self._known = known
        self._may_be = may_be
        self._jitter = jitter
        self._pending: dict[Digest, float] = {}
        """Who is to become one, and until when."""
        self._failed: OrderedDict[Digest, tuple[float, float]] = OrderedDict()
        """Who is not tried before when, and the pause."""
        self._seek_at = now
        self._ask_at = now
        self._shuffle_at = now + SHUFFLE_SECONDS * (0.5 + jitter())

    # ---- sessions ----

    def connected(self, member: Digest, now: float) -> None:
        """There is a session with a member."""
        self.sessions.add(member)
        self._failed.pop(member, None)
        if member in self.active:
            self.active[member] = None
        elif member in self._pending:
            self._ask(member)
        elif not self.active:
            self._want(member, now)
        else:
            self._seek_at = min(self._seek_at, now + SEEK_SECONDS[min(len(self.active), ACTIVE - 1)])

    def gone(self, member: Digest, now: float) -> None:
        """The last session with it ended."""
        self.sessions.discard(member)
        if member in self.active:
            self.active[member] = now
            self._seek_at = min(self._seek_at, now + GRACE_SECONDS)

    def forget(self, member: Digest, now: float) -> None:
        """It is dead, left, or no member any more."""
        self.passive.pop(member, None)
        if member in self.active:
            self._drop(member)
            self._seek_at = min(self._seek_at, now)
        elif self._pending.pop(member, None) is not None:
            self._let_go(member)

    # ---- messages ----

    def take(self, peer: Digest, kind: str, body: bytes, now: float) -> bool:
        """A message of a member came. False: it was not of its form."""
        match kind:
            case Kind.JOIN:
                self._take_join(peer, now)
            case Kind.NEIGHBOUR:
                self._take_neighbour(peer)
            case Kind.ACCEPT:
                self._take_accept(peer)
            case Kind.REFUSE:
                if self._pending.pop(peer, None) is not None:
                    self._let_go(peer)
                    self._pause(peer, now, REFUSED_SECONDS)
            case Kind.PART:
                self._take_part(peer, now)
            case Kind.FORWARD:
                return self._take_forward(peer, body, now)
            case Kind.SHUFFLE | Kind.SHUFFLED:
                return self._take_shuffle(peer, kind, body)
        return True

    def _take_join(self, peer: Digest, now: float) -> None:
        new = peer not in self.active
        self._add(peer)
        self._say(peer, Kind.ACCEPT)
        if new:
            for other in list(self.active):
                if other != peer:
                    self._say(other, Kind.FORWARD, _FORWARD.pack(WALK, peer))
        self._seek_at = min(self._seek_at, now + 1.0)

    def _take_neighbour(self, peer: Digest) -> None:
        if peer in self.active or len(self.active) < ACTIVE:
            self._add(peer)
            self._say(peer, Kind.ACCEPT)
        else:
            self._note_passive(peer)
            self._say(peer, Kind.REFUSE)

    def _take_accept(self, peer: Digest) -> None:
        if peer in self.active:
            return
        if self._pending.pop(peer, None) is not None and len(self.active) < ACTIVE:
            self._add(peer)
        else:
            self._say(peer, Kind.PART)
            self._let_go(peer)

    def _take_part(self, peer: Digest, now: float) -> None:
        if peer in self.active:
            self._drop(peer)
            self._note_passive(peer)
            self._pause(peer, now, REFUSED_SECONDS)
            self._seek_at = min(self._seek_at, now + 1.0)

    def _take_forward(self, peer: Digest, body: bytes, now: float) -> bool:
        if len(body) != _FORWARD.size or body[0] > WALK:
            return False
        steps, member = _FORWARD.unpack(body)
        if member == self._own or not self._may_be(member):
            return True
        others = [each for each in self.active if each not in {peer, member}]
        if steps == PASSIVE_WALK:
            self._note_passive(member)
        if steps == 0 or not others:
            if self._free(member, now) and len(self.active) + len(self._pending) < ACTIVE:
                self._want(member, now)
        else:
            self._say(self._pick(others), Kind.FORWARD, _FORWARD.pack(steps - 1, member))
        return True

    def _take_shuffle(self, peer: Digest, kind: str, body: bytes) -> bool:
        if not body or len(body) % DIGEST_BYTES or len(body) > 16 * DIGEST_BYTES:
            return False
        if kind == Kind.SHUFFLE:
            if peer not in self.active:
                self._say(peer, Kind.PART)  # an `accept` or `part` was lost
                return True
            given = self._some(list(self.passive), len(body) // DIGEST_BYTES) or [self._own]
            self._say(peer, Kind.SHUFFLED, b"".join(given))
        for at in range(0, len(body), DIGEST_BYTES):
            member = body[at : at + DIGEST_BYTES]
            if self._may_be(member):
                self._note_passive(member)
        return True

    # ---- time ----

    def next_due(self) -> float:
        """When `due` wants to be called."""
        due = min(self._seek_at, self._shuffle_at)
        return min(due, self._ask_at) if self._pending else due

    def due(self, now: float) -> None:
        """Time passed."""
        for member, until in list(self._pending.items()):
            if until <= now:
                del self._pending[member]
                self._let_go(member)
                self._pause(member, now)
        for member, since in list(self.active.items()):
            if since is not None and since + GRACE_SECONDS <= now:
                self._drop(member)
                self._note_passive(member)
                self._pause(member, now)
        if self._ask_at <= now:
            self._ask_at = now + AGAIN_SECONDS
            for member in [member for member in self._pending if member in self.sessions]:
                self._ask(member)
        if self._seek_at <= now:
            self._seek(now)
        if self._shuffle_at <= now:
            self._shuffle_at = now + SHUFFLE_SECONDS * (0.5 + self._jitter())
            self._shuffle()

    def shift(self, seconds: float) -> None:
        """This node slept: what it waits for may take as much longer."""
        self._pending = {member: until + seconds for member, until in self._pending.items()}
        self.active = {member: None if since is None else since + seconds for member, since in self.active.items()}

    def _seek(self, now: float) -> None:
        here = len(self.active)
        if here >= ACTIVE:
            self._seek_at = now + SEEK_SECONDS[-1]
            return
        self._seek_at = now + SEEK_SECONDS[here] * (0.75 + self._jitter() / 2)
        if len(self._pending) + here >= ACTIVE:
            return
        for some in (sorted(self.sessions), list(self.passive), self._known()):
            free = [member for member in some if self._free(member, now)]
            if free:
                self._want(self._pick(free), now)
                return
        self._seek_at = now + NOBODY_SECONDS

    def _free(self, member: Digest, now: float) -> bool:
        return (
            member not in self.active
            and member not in self._pending
            and self._failed.get(member, (0.0, 0.0))[0] <= now
            and member != self._own
        )

    def _shuffle(self) -> None:
        there = [member for member, since in self.active.items() if since is None]
        if len(there) > 1:
            to = self._pick(there)
            others = self._some([member for member in there if member != to], SHUFFLED_ACTIVE)
            given = [self._own, *others, *self._some(list(self.passive), SHUFFLED_PASSIVE)]
            self._say(to, Kind.SHUFFLE, b"".join(given))

    # ---- the views ----

    def _want(self, member: Digest, now: float) -> None:
        if not self._pending:
            self._ask_at = now + AGAIN_SECONDS
        self._pending[member] = now + PENDING_SECONDS
        self.wishes.append(Hold(member))
        if member in self.sessions:
            self._ask(member)

    def _ask(self, member: Digest) -> None:
        self._say(member, Kind.NEIGHBOUR if self.active else Kind.JOIN)

    def _add(self, member: Digest) -> None:
        self._pending.pop(member, None)
        self.passive.pop(member, None)
        if member in self.active:
            return
        if len(self.active) >= ACTIVE:
            least = self._pick(list(self.active))
            self._say(least, Kind.PART)
            self._drop(least)
            self._note_passive(least)
        self.active[member] = None
        self.wishes.append(Hold(member))
        self.gained.append(member)

    def _drop(self, member: Digest) -> None:
        del self.active[member]
        self._let_go(member)

    def _let_go(self, member: Digest) -> None:
        if member not in self.active:
            self.wishes.append(Release(member))

    def _note_passive(self, member: Digest) -> None:
        if member == self._own or member in self.active or member in self.passive:
            return
        if len(self.passive) >= PASSIVE:
            del self.passive[self._pick(list(self.passive))]
        self.passive[member] = None

    def _pause(self, member: Digest, now: float, least: float = FIRST_PAUSE) -> None:
        """Do not try it again too soon."""
        pause = min(max(least, 2 * self._failed.get(member, (0.0, 0.0))[1]), LONGEST_PAUSE)
        self._failed[member] = now + pause * (0.75 + self._jitter() / 2), pause
        self._failed.move_to_end(member)
        if len(self._failed) > MOST_FAILED:
            self._failed.popitem(last=False)

    def _pick(self, some: Sequence[Digest]) -> Digest:
        return some[int(self._jitter() * len(some))]

    def _some(self, of: list[Digest], most: int) -> list[Digest]:
        found: list[Digest] = []
        while of and len(found) < most:
            found.append(of.pop(int(self._jitter() * len(of))))
        return found

    def _say(self, peer: Digest, kind: Kind, body: bytes = b"") -> None:
        self.said.append(Say(peer, kind, body))
