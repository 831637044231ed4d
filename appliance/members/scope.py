"""What an issuer may say in the owner's place. It can never make another issuer.

flags u8 | longest lifetime u32 | tags: list | addresses: list of prefixes | prefixes: list of prefixes
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import Final

from appliance.api.values import Network
from appliance.members import fields
from appliance.members.fields import Address, Reader

MAX_TAGS: Final = 16
MAX_PREFIXES: Final = 16


class Role(StrEnum):
    """What a node may be for the others."""

    RELAY = "relay"
    """Others may reach each other by it."""
    RENDEZVOUS = "rendezvous"
    """Others register under tags at it, and find each other there."""
    ISSUER = "issuer"
    """It signs certificates within its scope."""


class Flag(IntFlag):
    """How grants of one bit are written, in certificates and scopes."""

    EXIT = 1
    RELAY = 2
    RENDEZVOUS = 4
    ISSUER = 8
    """In certificates only."""
    ANY_TAG = 16
    """In scopes only."""
    FINAL = 32
    """In certificates only."""


_ROLES: Final = ((Role.RELAY, Flag.RELAY), (Role.RENDEZVOUS, Flag.RENDEZVOUS), (Role.ISSUER, Flag.ISSUER))
_KNOWN: Final = Flag.EXIT | Flag.RELAY | Flag.RENDEZVOUS | Flag.ANY_TAG


def flags_of(roles: Iterable[Role], may_exit: bool) -> Flag:
    """The bits of these grants."""
    wanted = frozenset(roles)
    found = Flag.EXIT if may_exit else Flag(0)
    for role, flag in _ROLES:
        found |= flag if role in wanted else 0
    return found


def roles_of(flags: int) -> frozenset[Role]:
    """The roles of these bits."""
    return frozenset(role for role, flag in _ROLES if flags & flag)


@dataclass(frozen=True, slots=True)
class Grants:
    """What a certificate gives one node."""

    addresses: tuple[Address, ...] = ()
    """Its own in the overlay."""
    prefixes: tuple[Network, ...] = ()
    """What lies behind it. None of length 0: that is `exit`."""
    exit: bool = False
    """May it carry what is for no member?"""
    tags: tuple[str, ...] = ()
    """For policies."""
    roles: frozenset[Role] = frozenset()
    final: bool = False
    """It ends when it ends: issuers that run do not renew it by themselves."""


NO_GRANTS: Final = Grants()


@dataclass(frozen=True, slots=True)
class Scope:
    """The limits of one issuer."""

    lifetime: int
    """Longest validity of what it signs, in seconds."""
    addresses: tuple[Network, ...] = ()
    """Overlay addresses that it may give lie in one of these."""
    prefixes: tuple[Network, ...] = ()
    """Prefixes that it may give (for what lies behind a node) lie in one of these."""
    tags: tuple[str, ...] = ()
    """Tags that it may give."""
    any_tag: bool = False
    """It may give every tag."""
    roles: frozenset[Role] = frozenset()
    """Roles that it may give; never `Role.ISSUER`."""
    exit: bool = False
    """May it say that a node is an exit?"""

    def pack(self) -> bytes:
        """Its encoding."""
        flags = flags_of(self.roles, self.exit) | (Flag.ANY_TAG if self.any_tag else 0)
        return b"".join(
            (
                bytes((flags,)),
                self.lifetime.to_bytes(4, "big"),
                fields.several(map(fields.text, self.tags)),
                fields.several(map(fields.prefix, self.addresses)),
                fields.several(map(fields.prefix, self.prefixes)),
            )
        )

    def allows(self, grants: Grants, lifetime: int) -> bool:
        """May it give all that to one node, for so many seconds?"""
        return (
            lifetime <= self.lifetime
            and (self.exit or not grants.exit)
            and grants.roles <= self.roles
            and (self.any_tag or set(grants.tags) <= set(self.tags))
            and all(any(address in each for each in self.addresses) for address in grants.addresses)
            and all(any(_within(prefix, each) for each in self.prefixes) for prefix in grants.prefixes)
        )


def read_scope(reader: Reader) -> Scope:
    """Raises StatementRefused."""
    flags = reader.flags(_KNOWN)
    lifetime = reader.number(4)
    tags = reader.several(reader.tag, MAX_TAGS)
    addresses = reader.several(reader.prefix, MAX_PREFIXES)
    prefixes = reader.several(reader.prefix, MAX_PREFIXES)
    return Scope(lifetime, addresses, prefixes, tags, bool(flags & Flag.ANY_TAG), roles_of(flags), bool(flags & Flag.EXIT))


def _within(prefix: Network, outer: Network) -> bool:
    return prefix.version == outer.version and prefix.subnet_of(outer)  # type: ignore[arg-type]
