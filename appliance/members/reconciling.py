"""How two members come to know the same: anti-entropy between rosters, over sessions that there are anyway.

    summary   root                       "this is what I know"; nothing follows when the other knows the same
    buckets   256 digests                the answer to another root
    have      ranges, listed completely  the entries of what differs; also the answer to another root of a small roster
    want      keys                       what is missing or older here; what the other lacks goes to it at once
    entries   rows and statements        exact bytes, statements first, since a row counts only beside its certificate
    offer     entries as in have         "these are new": told to neighbours, who want what they lack

Whoever took much from a peer says its summary to it again, until both are equal. Each message is bounded, and so is what one
message brings about: what does not fit comes with the next round. Pure: `said` gathers what is to be sent.

    listed entry   key 16 | sequence u64 | mark 8
    range          lowest key 16 | highest key 16 | n u16 | n listed entries
    entry          sort u8 (0 statement, 1 row) | length u16 | bytes
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeVar

from appliance.errors import ApplianceError
from appliance.members.effects import Say
from appliance.members.roster import BUCKET_BYTES, BUCKETS, KEY_BYTES, ROOT_BYTES, Entry, Roster, row_entry, statement_entry
from appliance.members.row import Digest, RowFault, RowRefused
from appliance.protocol.admission import TokenBucket

SMALL: Final = 64
"""A roster with so few entries lists all of them: that is no longer than the digests of all buckets."""
MOST_BODY: Final = 15360
"""Bytes of a body: what a control message holds, less what its head may take."""
MOST_LISTED: Final = 440
"""Entries listed in one message."""
MOST_WANTED: Final = 512
"""Keys in one message."""
MOST_MESSAGES: Final = 8
"""Messages with entries that one message of a peer brings about."""
WANT_AGAIN: Final = 1.5
"""Seconds until what was asked of one peer is asked of another that offered it, or again: three round trips of a bad network."""
MOST_TRIES: Final = 3
"""How often something is asked for; after that the next summary tells that it is missing."""
REFUSED_SECONDS: Final = 600.0
UNKNOWN_SECONDS: Final = 30.0
"""How long an entry that was refused is not wanted again: a row that is no good; and what may be good once something else is
here, which is wanted at once when a statement was taken."""
MOST_NOTED: Final = 4096
"""Entries remembered as not wanted, for each reason."""
HEAVY_RATE: Final = 15.0
"""Messages of a peer in a second, twice that at once, that may make us look through the roster. Chosen: one that asks for all of
a thousand members takes 0.5 ms and 120 KB, so nobody has more than a hundredth of a core."""
MOST_EARLY: Final = 256
"""Rows that wait until it is known whether their members are some."""

_LISTED: Final = struct.Struct("!16sQ8s")
_RANGE: Final = struct.Struct("!16s16sH")
_ENTRY: Final = struct.Struct("!BH")
_LOWEST: Final = bytes(KEY_BYTES)
_HIGHEST: Final = b"\xff" * KEY_BYTES


Item = TypeVar("Item")


class Kind(StrEnum):
    """The messages of the family `roster`."""

    SUMMARY = "summary"
    BUCKETS = "buckets"
    HAVE = "have"
    WANT = "want"
    ENTRIES = "entries"
    OFFER = "offer"


_HEAVY: Final = frozenset({Kind.BUCKETS, Kind.HAVE, Kind.WANT})


class Tally(StrEnum):
    """What is counted beside refused rows."""

    MALFORMED = "malformed-message"
    OFTEN = "too-often"
    """Messages of a peer that would have made us look through the roster."""
    EQUAL = "equal"
    """Summaries that said the same as ours."""
    DIFFERENT = "different"
    ROWS = "rows-taken"
    STATEMENTS = "statements-taken"
    STATEMENTS_REFUSED = "statements-refused"


class Statements(Protocol):
    """What judges statements and knows who is a member; `wall` is now in Unix seconds."""

    def take(self, encoded: bytes, wall: float) -> object:
        """Raises ApplianceError when it is not taken."""

    def keys(self, wall: float) -> Mapping[Digest, bytes]:
        """The members now, with the Ed25519 keys in their certificates."""

    def statements(self) -> Iterable[bytes]:
        """All that are kept, exact bytes."""


class _Listed(NamedTuple):
    key: bytes
    sequence: int
    mark: bytes

    @property
    def rank(self) -> tuple[int, bytes]:
        return self.sequence, self.mark


class _Asked:
    """Something that was asked for."""

    __slots__ = ("listed", "others", "peer", "tries", "until")

    def __init__(self, listed: _Listed, peer: Digest, until: float, tries: int = 1) -> None:
        self.listed = listed
        self.peer = peer
        self.until = until
        self.tries = tries
        self.others: list[Digest] = []
        """Who has it too."""


class _Malformed(Exception):
    pass


class Reconciling:
    """Keeps one node's roster equal to those of the peers that it talks with."""

    def __init__(self, roster: Roster, statements: Statements, jitter: Callable[[], float]) -> None:
        """`jitter`: a random number in [0, 1)."""
        self.roster = roster
        self.counters: Counter[str] = Counter()
        self.said: list[Say] = []
        """To be sent, in this order."""
        self.fresh: list[Entry] = []
        """What was taken and is news to the neighbours, until the owner of this takes it."""
        self.stale = False
        """Statements were taken since `refresh`: who is a member may have changed."""
        self._statements = statements
        self._jitter = jitter
        self._heavy: dict[Digest, TokenBucket] = {}
        self._asked: OrderedDict[bytes, _Asked] = OrderedDict()
        """By key and mark, what was asked for first at the front."""
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        """Key and mark of entries that are not wanted now, and until when: who signed them, or is meant, is not known yet; they
        are worth nothing."""
        self._early: OrderedDict[bytes, float] = OrderedDict()
        """Rows that came before `refresh` could know their members."""

    def summary(self, peer: Digest) -> None:
        """Tell `peer` what we know."""
        self._say(peer, Kind.SUMMARY, self.roster.root())

    def offer(self, peer: Digest, entries: Sequence[Entry]) -> None:
        """Tell `peer` what is new here."""
        for some in _cut(entries, MOST_LISTED):
            self._say(peer, Kind.OFFER, b"".join(map(_listed, some)))

    def give(self, peer: Digest, entries: Sequence[Entry]) -> None:
        """Send entries that nobody asked for."""
        self._say_entries(peer, entries)

    def recall(self, encoded: bytes, wall: float) -> None:
        """Take a row that no peer sent, if it is good."""
        self._take_row(encoded, wall, wall)

    def refresh(self, wall: float) -> None:
        """The statements or the time are others now: what is new among them is news, and rows of who is no member any more go.
        Takes some milliseconds for a thousand members."""
        self.stale = False
        self.fresh += self.roster.use(self._statements.keys(wall), self._statements.statements())
        self._unknown.clear()
        early, self._early = self._early, OrderedDict()
        for encoded, now in early.items():
            self._take_row(encoded, now, wall)

    # ---- what comes ----

    def take(self, peer: Digest, kind: str, body: bytes, now: float, wall: float) -> bool:
        """A message of `peer` came: never raises. True when it was full of news, so that there may be more."""
        if kind in _HEAVY and not self._may_cost(peer, now):
            self.counters[Tally.OFTEN] += 1
            return False
        try:
            match kind:
                case Kind.SUMMARY:
                    self._take_summary(peer, body)
                case Kind.BUCKETS:
                    self._take_buckets(peer, body)
                case Kind.HAVE:
                    self._take_have(peer, body, now)
                case Kind.WANT:
                    self._take_want(peer, body)
                case Kind.OFFER:
                    self._want(peer, self._missing(peer, _read_listed(body), now))
                case Kind.ENTRIES:
                    return self._take_entries(body, now, wall)
                case _:
                    raise _Malformed
        except _Malformed:
            self.counters[Tally.MALFORMED] += 1
        return False

    def forget(self, peer: Digest) -> None:
        """There is no session with it any more."""
        self._heavy.pop(peer, None)

    def _may_cost(self, peer: Digest, now: float) -> bool:
        bucket = self._heavy.get(peer)
        if bucket is None:
            bucket = self._heavy[peer] = TokenBucket(HEAVY_RATE, 2 * HEAVY_RATE, now)
        return bucket.take(now)

    def _take_summary(self, peer: Digest, body: bytes) -> None:
        if len(body) != ROOT_BYTES:
            raise _Malformed
        if body == self.roster.root():
            self.counters[Tally.EQUAL] += 1
            return
        self.counters[Tally.DIFFERENT] += 1
        if len(self.roster) <= SMALL:
            self._say_have(peer, [(_LOWEST, _HIGHEST, list(self.roster))])
        else:
            self._say(peer, Kind.BUCKETS, self.roster.digests())

    def _take_buckets(self, peer: Digest, body: bytes) -> None:
        if len(body) != BUCKETS * BUCKET_BYTES:
            raise _Malformed
        theirs = [body[at : at + BUCKET_BYTES] for at in range(0, len(body), BUCKET_BYTES)]
        differ = [number for number in range(BUCKETS) if theirs[number] != self.roster.digest_of(number)]
        first = int(self._jitter() * len(differ))  # else what is behind too much of the same would never have its turn
        for some in (differ[first:], differ[:first]):
            self._say_have(peer, [(*_limits(number), self.roster.bucket(number)) for number in some])

    def _take_have(self, peer: Digest, body: bytes, now: float) -> None:
        ranges = list(_read_ranges(body))
        listed = [each for _, _, some in ranges for each in some]
        self._want(peer, self._missing(peer, listed, now))
        known = {each.key: each.rank for each in listed}
        theirs_to_get = [
            entry
            for low, high, _ in ranges
            for number in range(low[0], high[0] + 1)
            for entry in self.roster.bucket(number)
            if low <= entry.key <= high and entry.rank > known.get(entry.key, (-1, b""))
        ]
        self._say_entries(peer, theirs_to_get)

    def _take_want(self, peer: Digest, body: bytes) -> None:
        if not body or len(body) % KEY_BYTES or len(body) > MOST_WANTED * KEY_BYTES:
            raise _Malformed
        keys = dict.fromkeys(body[at : at + KEY_BYTES] for at in range(0, len(body), KEY_BYTES))
        self._say_entries(peer, [entry for key in keys if (entry := self.roster.entry(key)) is not None])

    def _take_entries(self, body: bytes, now: float, wall: float) -> bool:
        found = list(_read_entries(body))
        taken = self._take_statements([encoded for is_row, encoded in found if not is_row], now, wall)
        for is_row, encoded in found:
            if is_row:
                taken |= self._take_row(encoded, now, wall)
        return taken and len(body) > MOST_BODY // 2

    def _take_statements(self, statements: Sequence[bytes], now: float, wall: float) -> bool:
        waiting, before = list(statements), -1
        while len(waiting) != before:  # an issuer's certificate may stand behind those that it signed
            before = len(waiting)
            waiting = [encoded for encoded in waiting if not self._take_statement(encoded, wall)]
        self.counters[Tally.STATEMENTS_REFUSED] += len(waiting)
        for encoded in waiting:
            entry = statement_entry(encoded)
            if self.roster.entry(entry.key) is None:
                _note(self._unknown, entry.name, now + UNKNOWN_SECONDS)
        self.stale |= len(waiting) < len(statements)
        return len(waiting) < len(statements)

    def _take_statement(self, encoded: bytes, wall: float) -> bool:
        try:
            self._statements.take(encoded, wall)
        except ApplianceError:
            return False
        self.counters[Tally.STATEMENTS] += 1
        return True

    def _take_row(self, encoded: bytes, now: float, wall: float) -> bool:
        try:
            row, _ = self.roster.take_row(encoded, wall)
        except RowRefused as refused:
            if refused.reason is RowFault.UNKNOWN:
                _note(self._unknown, row_entry(encoded).name, now + UNKNOWN_SECONDS)
                if self.stale:
                    _note(self._early, encoded, now, MOST_EARLY)
            elif refused.reason not in {RowFault.OLD, RowFault.MALFORMED, RowFault.TOO_LONG}:
                _note(self._refused, row_entry(encoded).name, now + REFUSED_SECONDS)
            return False
        self.counters[Tally.ROWS] += 1
        entry = self.roster.entry(row.member[:KEY_BYTES])
        assert entry is not None
        self.fresh.append(entry)
        return True

    # ---- what goes ----

    def _missing(self, peer: Digest, listed: Iterable[_Listed], now: float) -> list[bytes]:
        """Keys of what is not here, or older, and worth asking `peer` for."""
        keys: list[bytes] = []
        for each in listed:
            if not self._is_wanted(each, now):
                continue
            asked = self._asked.get(each.key + each.mark)
            if asked is None:
                self._ask(_Asked(each, peer, now + WANT_AGAIN))
                keys.append(each.key)
                if len(keys) == MOST_WANTED:
                    break
            elif peer != asked.peer and len(asked.others) < MOST_TRIES:
                asked.others.append(peer)
        return keys

    def _is_wanted(self, each: _Listed, now: float) -> bool:
        here = self.roster.entry(each.key)
        if here is not None and here.rank >= each.rank:
            return False
        name = each.key + each.mark
        return max(self._unknown.get(name, 0.0), self._refused.get(name, 0.0)) <= now

    def _ask(self, asked: _Asked) -> None:
        self._asked[asked.listed.key + asked.listed.mark] = asked
        if len(self._asked) > MOST_NOTED:
            self._asked.popitem(last=False)

    def next_due(self) -> float | None:
        """When `due` wants to be called."""
        return next(iter(self._asked.values())).until if self._asked else None

    def due(self, now: float) -> None:
        """Time passed: what did not come is asked for again."""
        again: dict[Digest, list[bytes]] = {}
        while self._asked and next(iter(self._asked.values())).until <= now:
            _, asked = self._asked.popitem(last=False)
            if asked.tries < MOST_TRIES and self._is_wanted(asked.listed, now):
                peer = asked.others.pop(0) if asked.others else asked.peer
                once_more = _Asked(asked.listed, peer, now + WANT_AGAIN, asked.tries + 1)
                once_more.others = asked.others
                self._ask(once_more)
                again.setdefault(peer, []).append(asked.listed.key)
        for peer, keys in again.items():
            for some in _cut(keys, MOST_WANTED):
                self._want(peer, some)

    def _want(self, peer: Digest, keys: Sequence[bytes]) -> None:
        if keys:
            self._say(peer, Kind.WANT, b"".join(keys))

    def _say_have(self, peer: Digest, ranges: Iterable[tuple[bytes, bytes, list[Entry]]]) -> None:
        """List ranges completely, as many as fit; a range that is too long is cut where the listed entries end."""
        body, room = b"", MOST_LISTED
        for low, high, entries in ranges:
            some = entries[:room]
            end = high if len(some) == len(entries) else some[-1].key
            body += _RANGE.pack(low, end, len(some)) + b"".join(map(_listed, some))
            room -= len(some) + 1
            if room <= 0 or end != high:
                break
        if body:
            self._say(peer, Kind.HAVE, body)

    def _say_entries(self, peer: Digest, entries: Iterable[Entry]) -> None:
        bodies = [b""]
        for entry in sorted(entries, key=lambda entry: entry.is_row):
            packed = _ENTRY.pack(entry.is_row, len(entry.encoded)) + entry.encoded
            if len(bodies[-1]) + len(packed) > MOST_BODY:
                bodies.append(b"")
            bodies[-1] += packed
            if len(bodies) > MOST_MESSAGES:
                break
        for body in bodies[:MOST_MESSAGES]:
            if body:
                self._say(peer, Kind.ENTRIES, body)

    def _say(self, peer: Digest, kind: Kind, body: bytes) -> None:
        self.said.append(Say(peer, kind, body))


def _note(memory: OrderedDict[bytes, float], name: bytes, until: float, most: int = MOST_NOTED) -> None:
    """Keep it, and forget the oldest."""
    memory[name] = until
    memory.move_to_end(name)
    if len(memory) > most:
        memory.popitem(last=False)


def _limits(number: int) -> tuple[bytes, bytes]:
    """The lowest and the highest key of a bucket."""
    return bytes([number]) + _LOWEST[1:], bytes([number]) + _HIGHEST[1:]


def _cut(entries: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    return (entries[at : at + most] for at in range(0, len(entries), most))


def _listed(entry: Entry) -> bytes:
    return _LISTED.pack(entry.key, entry.sequence, entry.mark)


def _read_listed(body: bytes) -> list[_Listed]:
    if not body or len(body) % _LISTED.size:
        raise _Malformed
    return [_Listed(*fields) for fields in _LISTED.iter_unpack(body)]


def _read_ranges(body: bytes) -> Iterator[tuple[bytes, bytes, list[_Listed]]]:
    """Ranges in rising order that do not overlap, so that walking through them costs no more than walking through the roster."""
    at, before = 0, b""
    while at < len(body):
        if len(body) - at < _RANGE.size:
            raise _Malformed
        low, high, number = _RANGE.unpack_from(body, at)
        at += _RANGE.size + number * _LISTED.size
        if at > len(body) or not before < low <= high:
            raise _Malformed
        before = high
        listed = body[at - number * _LISTED.size : at]
        yield low, high, [_Listed(*fields) for fields in _LISTED.iter_unpack(listed)]


def _read_entries(body: bytes) -> Iterator[tuple[bool, bytes]]:
    at = 0
    while at < len(body):
        if len(body) - at < _ENTRY.size:
            raise _Malformed
        sort, length = _ENTRY.unpack_from(body, at)
        at += _ENTRY.size + length
        if sort > 1 or at > len(body):
            raise _Malformed
        yield sort == 1, body[at - length : at]
