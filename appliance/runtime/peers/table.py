"""The one table of peers: who they are, where each came from, and what changed when the table did. Pure: it tells nobody.

The profile's peers were judged with the profile and are taken as they are. A member is somebody whom a running system brought,
and it never shadows a peer of the profile: it has a name, an identity and prefixes that nobody else has, prefixes inside or
around another peer's included. When a reload brings a peer that clashes with a member, the member has to go.

Of prefixes within others there are two exceptions, because the longest prefix decides everywhere (`dataplane.peers`). What is for
nobody else (0.0.0.0/0, ::/0) may be around everything. And the profile may name ranges that are for members (`reserved`): inside
of one a member may have a prefix though a peer of the profile has a wider one than that range. What of a range no member has is
nobody's, and not the wider one's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.api.profile_values import NAME_PATTERN
from appliance.api.values import Endpoint, Network
from appliance.errors import ApplianceError
from appliance.protocol.identity import PREFIX
from appliance.protocol.settings import PeerSettings
from appliance.runtime.peers.prefixes import PrefixIndex
from appliance.runtime.peers.routes import may_have
from appliance.wire.nobodys import is_nobodys

if TYPE_CHECKING:
    from appliance.api.profile import Peer

MOST_PEERS: Final = 65536
"""As many as a profile may have. Members are counted with them, so that no stream of members takes all memory."""
MOST_PREFIXES: Final = 64
"""Prefixes of one member."""
MOST_ENDPOINTS: Final = 64
"""Endpoints of one member: as many as a profile may give a peer."""
MOST_NAME: Final = 63

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME: Final = re.compile(NAME_PATTERN, re.ASCII)
_IDENTITY: Final = re.compile(rf"{PREFIX}[a-z2-7]{{51}}[aq]", re.ASCII)
"""256 bits in base 32: the last character has one of them."""


class Origin(StrEnum):
    """Where a peer came from."""

    PROFILE = "profile"
    """An admin wrote it into the profile."""
    MEMBER = "member"
    """A running system brought it, and may take it away."""


class PeerEntry(NamedTuple):
    """One peer: what the profile, or whoever brought it, says of it."""

    name: str
    """What it is called in logs, metrics and commands. Unique in the table."""
    identity: str
    """Its fingerprint. Unique in the table."""
    endpoints: tuple[Endpoint, ...] = ()
    """Where it can be called, most wanted first; none: it calls us."""
    allowed: tuple[Network, ...] = ()
    """Prefixes that it may send from and may be sent to."""
    keepalive: float = 10.0
    """Seconds of silence after which it is asked whether it is there; 0: never."""
    compression: bool = False
    """May packets to and from it be compressed?"""
    rate: int = 0
    """Bytes a second that may be sent to it; 0: as many as there are."""
    origin: Origin = Origin.PROFILE

    @property
    def settings(self) -> PeerSettings:
        """What the node is told of it."""
        return PeerSettings(self.name, self.identity, self.endpoints, self.keepalive, self.compression)


class Refusal(StrEnum):
    """Why a change of the table was refused. The values are names of counters."""

    NAME_TAKEN = "name-taken"
    IDENTITY_TAKEN = "identity-taken"
    PREFIX_TAKEN = "prefix-taken"
    """A prefix is, lies inside, or is around one of another peer."""
    OWN_ADDRESS = "own-address"
    """A prefix holds an address that this node has inside the overlay."""
    NOBODYS_PREFIX = "nobodys-prefix"
    """A prefix that can be no peer's: loopback, link-local, multicast and their like."""
    MALFORMED = "malformed"
    """A name, an identity or a number that a profile could not have, or too much of something."""
    FULL = "full"
    UNKNOWN = "unknown"
    """There is no peer of that name."""
    FROM_PROFILE = "from-profile"
    """The peer is the profile's: only a reload changes it."""


class PeerRefused(ApplianceError):
    """The table stays as it was. `reason` says why, the message to an admin."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Change(NamedTuple):
    """A peer that stays under its name. With another identity it is another peer behind the same name."""

    before: PeerEntry
    after: PeerEntry


class Displaced(NamedTuple):
    """A member that had to go for a peer of the profile."""

    entry: PeerEntry
    reason: Refusal


class Delta(NamedTuple):
    """What one change of the table did. A name is in one of the first three at most."""

    added: Sequence[PeerEntry] = ()
    changed: Sequence[Change] = ()
    removed: Sequence[PeerEntry] = ()
    displaced: Sequence[Displaced] = ()
    """Members that went for the profile's sake. They are among the removed, or among the changed if their name was taken."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class PeerTable:
    """All peers by name, those of the profile in its order and then the members. `own`: this node's addresses in the overlay;
    `reserved`: ranges that are for members."""

    def __init__(self, entries: Iterable[PeerEntry] = (), own: Iterable[Address] = (), reserved: Iterable[Network] = ()) -> None:
        self._entries: dict[str, PeerEntry] = {}
        self._names: dict[str, str] = {}
        """The name behind each identity."""
        self._members = PrefixIndex()
        self._profiles: PrefixIndex | None = None
        """Made when the first member comes: most nodes have none."""
        self._own: tuple[Address, ...] = ()
        self._reserved: tuple[Network, ...] = ()
        self.changes = 0
        """Another number whenever the table is another one."""
        self.use_profile(entries, own, reserved)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[PeerEntry]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def get(self, name: str) -> PeerEntry | None:
        """The peer of that name."""
        return self._entries.get(name)

    def of_identity(self, identity: str) -> PeerEntry | None:
        """The peer with that fingerprint."""
        return self._entries.get(self._names.get(identity, ""))

    def at(self, address: Address) -> tuple[PeerEntry, Network] | None:
        """Who has that address inside the overlay, and the prefix that says so: the longest one."""
        alone = ipaddress.ip_network(address)
        around = [*self._members.overlapping(alone), *self._of_profile().overlapping(alone)]
        prefix, name = max(around, key=lambda found: found[0].prefixlen, default=(None, ""))
        return None if prefix is None else (self._entries[name], prefix)

    # ---- the profile's ----

    def use_profile(self, entries: Iterable[PeerEntry], own: Iterable[Address], reserved: Iterable[Network] = ()) -> Delta:
        """These are the profile's peers from now on, and these our own addresses. Never refused: members make room."""
        fewer = set(self._reserved).difference(reserved)
        self._own, self._reserved = tuple(own), tuple(reserved)
        wanted = {entry.name: entry for entry in entries}
        before = dict(self._entries)
        kept = {name: entry for name, entry in before.items() if entry.origin is Origin.MEMBER}
        self._take_out([entry for entry in before.values() if entry.origin is Origin.PROFILE and entry != wanted.get(entry.name)])
        new = [entry for entry in wanted.values() if entry.name not in self._entries or entry.name in kept]
        displaced = self._displaced(list(wanted.values()) if fewer else new, kept)
        self._take_out([each.entry for each in displaced])
        self._put_in(new, Origin.PROFILE)
        members = {name: entry for name, entry in self._entries.items() if entry.origin is Origin.MEMBER}
        self._entries = {name: self._entries[name] for name in wanted} | members
        self.changes += 1
        return Delta(
            [entry for entry in new if entry.name not in before],
            [Change(before[entry.name], entry) for entry in new if entry.name in before],
            [entry for name, entry in before.items() if name not in self._entries],
            displaced,
        )

    def _displaced(self, new: Sequence[PeerEntry], members: Mapping[str, PeerEntry]) -> list[Displaced]:
        """The members that these peers of the profile, or our own addresses, leave no room for."""
        if not members:
            return []
        found: dict[str, Refusal] = {}
        for entry in new:
            for prefix in entry.allowed:
                clashing = (name for theirs, name in self._members.overlapping(prefix) if not self._both(theirs, prefix))
                found |= dict.fromkeys(clashing, Refusal.PREFIX_TAKEN)
        names, identities = {entry.name for entry in new}, {entry.identity for entry in new}
        for name, member in members.items():
            if name in names:
                found[name] = Refusal.NAME_TAKEN
            elif member.identity in identities:
                found[name] = Refusal.IDENTITY_TAKEN
            elif any(prefix.prefixlen and _holds(prefix, self._own) for prefix in member.allowed):
                found[name] = Refusal.OWN_ADDRESS
        return [Displaced(members[name], reason) for name, reason in found.items()]

    # ---- members ----

    def add(self, entry: PeerEntry) -> Delta:
        """A member comes. Raises PeerRefused."""
        if entry.name in self._entries:
            raise PeerRefused(Refusal.NAME_TAKEN, f"there is a peer {entry.name!r} already")
        if len(self._entries) >= MOST_PEERS:
            raise PeerRefused(Refusal.FULL, f"there are {MOST_PEERS} peers already")
        entry = self._judged(entry)
        self._put_in([entry], Origin.MEMBER)
        return Delta(added=(entry,))

    def change(self, entry: PeerEntry) -> Delta:
        """The member of that name is like this from now on. Raises PeerRefused."""
        before = self._member(entry.name)
        entry = self._judged(entry)
        if entry == before:
            return Delta()
        self._take_out([before])
        self._put_in([entry], Origin.MEMBER)
        return Delta(changed=(Change(before, entry),))

    def drop(self, name: str) -> Delta:
        """A member goes. Raises PeerRefused."""
        before = self._member(name)
        self._take_out([before])
        return Delta(removed=(before,))

    def _member(self, name: str) -> PeerEntry:
        entry = self._entries.get(name)
        if entry is None:
            raise PeerRefused(Refusal.UNKNOWN, f"there is no peer {name[:MOST_NAME]!r}")
        if entry.origin is Origin.PROFILE:
            raise PeerRefused(Refusal.FROM_PROFILE, f"peer {name!r} is the profile's")
        return entry

    def _judged(self, entry: PeerEntry) -> PeerEntry:
        """As a member, if it may be one."""
        _judge_form(entry)
        other = self._names.get(entry.identity, entry.name)
        if other != entry.name:
            raise PeerRefused(Refusal.IDENTITY_TAKEN, f"peer {other!r} has the identity of {entry.name!r}")
        for prefix in entry.allowed:
            self._judge_prefix(entry.name, prefix)
        return entry._replace(origin=Origin.MEMBER)

    def _judge_prefix(self, name: str, prefix: Network) -> None:
        if is_nobodys(prefix):
            raise PeerRefused(Refusal.NOBODYS_PREFIX, f"{prefix} of {name!r} can be no peer's")
        if prefix.prefixlen and _holds(prefix, self._own):
            raise PeerRefused(Refusal.OWN_ADDRESS, f"{prefix} of {name!r} holds an address of this node")
        of_members = ((other, _apart(theirs, prefix)) for theirs, other in self._members.overlapping(prefix))
        of_profile = ((other, self._both(prefix, theirs)) for theirs, other in self._of_profile().overlapping(prefix))
        for other, fits in (*of_members, *of_profile):
            if other != name and not fits:
                raise PeerRefused(Refusal.PREFIX_TAKEN, f"{prefix} of {name!r} overlaps one of peer {other!r}")

    def _both(self, members: Network, profiles: Network) -> bool:
        """May a member have the one and a peer of the profile the other, though they overlap?"""
        if _apart(members, profiles):
            return True
        given = (each for each in self._reserved if may_have(members, (each,)))
        return any(profiles.prefixlen < each.prefixlen for each in given)

    # ---- what all agree on ----

    def _put_in(self, entries: Sequence[PeerEntry], origin: Origin) -> None:
        self.changes += 1
        self._entries.update((entry.name, entry) for entry in entries)
        self._names.update((entry.identity, entry.name) for entry in entries)
        index = self._members if origin is Origin.MEMBER else self._profiles
        if index is not None:
            index.add((prefix, entry.name) for entry in entries for prefix in entry.allowed)

    def _take_out(self, entries: Iterable[PeerEntry]) -> None:
        self.changes += 1
        for entry in entries:
            del self._entries[entry.name]
            if self._names.get(entry.identity) == entry.name:
                del self._names[entry.identity]
            index = self._members if entry.origin is Origin.MEMBER else self._profiles
            if index is not None:
                index.remove(entry.allowed)

    def _of_profile(self) -> PrefixIndex:
        if self._profiles is None:
            self._profiles = PrefixIndex()
            entries = [entry for entry in self if entry.origin is Origin.PROFILE]
            self._profiles.add((prefix, entry.name) for entry in entries for prefix in entry.allowed)
        return self._profiles


def of_profile(peers: Iterable[Peer]) -> list[PeerEntry]:
    """The peers of a profile."""
    return [
        PeerEntry(
            peer.name,
            peer.identity,
            peer.endpoints,
            peer.allowed,
            peer.keepalive,
            peer.compression != "off",
            0 if peer.rate is None else peer.rate // 8,
        )
        for peer in peers
    ]


def _judge_form(entry: PeerEntry) -> None:
    named = len(entry.name) <= MOST_NAME and _NAME.fullmatch(entry.name)
    bounded = len(entry.allowed) <= MOST_PREFIXES and len(entry.endpoints) <= MOST_ENDPOINTS
    numbers = isfinite(entry.keepalive) and entry.keepalive >= 0 and entry.rate >= 0
    if not (
        named and bounded and numbers and _IDENTITY.fullmatch(entry.identity) and len(set(entry.allowed)) == len(entry.allowed)
    ):
        raise PeerRefused(Refusal.MALFORMED, f"a peer of the profile could not be like {entry.name[:MOST_NAME]!r}")


def _apart(one: Network, other: Network) -> bool:
    """Is one of two that overlap all that is for nobody else?"""
    return one.prefixlen != other.prefixlen and not (one.prefixlen and other.prefixlen)


def _holds(prefix: Network, addresses: Iterable[Address]) -> bool:
    return any(address.version == prefix.version and address in prefix for address in addresses)
