"""Who somebody is, as far as rules can tell: by name, by tags, by being a peer or a member, by address.

A name, a tag and a group stand for addresses of the peer itself. What is behind a peer is named by prefix: of that the peer has
only the word of others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from appliance.api.access import Group, Who
from appliance.api.values import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Party(NamedTuple):
    """A peer of this node."""

    name: str
    """"" if nobody whom the admin trusts gave it that name: then it is meant by `peers` and by prefixes only."""
    addresses: tuple[Address, ...]
    """Of the peer itself."""
    tags: frozenset[str] = frozenset()
    """Of its certificate."""
    member: bool = False
    """It has a certificate of this node's network."""


class Subject(NamedTuple):
    """Somebody at one end of what is judged."""

    networks: tuple[Network, ...]
    """Where it is: a single address, or some address of these that is not known yet."""
    name: str = ""
    tags: frozenset[str] = frozenset()
    peer: bool = False
    member: bool = False
    here: bool = False
    """It is this node."""

    def is_meant_by(self, who: Who) -> bool:
        """Does that word of a rule mean it?"""
        match who.group:
            case Group.ANY:
                return True
            case Group.SELF:
                return self.here
            case Group.PREFIX:
                return not self.here and any(_within(network, who.prefix) for network in self.networks)
            case Group.PEERS:
                return self.peer
            case Group.MEMBERS:
                return self.member
            case Group.TAG:
                return who.name in self.tags
            case Group.NAME:
                return self.name == who.name


HERE: Final = Subject((), here=True)
"""This node."""


class Directory:
    """The peers that there are, by address."""

    def __init__(self, parties: Iterable[Party]) -> None:
        self._by_address: dict[Address, Party] = {}
        self._meant: dict[tuple[Who, int], list[str]] = {}
        for party in parties:
            self._by_address |= dict.fromkeys(party.addresses, party)
            texts = [(address.version, str(address)) for address in party.addresses]  # once: it is what takes the time
            for who in _words_for(party):
                for version, text in texts:
                    self._meant.setdefault((who, version), []).append(text)

    def subject(self, address: Address) -> Subject:
        """Who has that address."""
        network: Network = ipaddress.ip_network(address)
        party = self._by_address.get(address)
        if party is None:
            return Subject((network,))
        return Subject((network,), party.name, party.tags, peer=True, member=party.member)

    def addresses(self, who: Who, version: int) -> list[str]:
        """All addresses of that IP version that a name, a tag or a group stands for, as text."""
        return self._meant.get((who, version), [])


def _words_for(party: Party) -> Iterator[Who]:
    yield Who(Group.PEERS)
    if party.name:
        yield Who(Group.NAME, party.name)
    if party.member:
        yield Who(Group.MEMBERS)
    yield from (Who(Group.TAG, tag) for tag in party.tags)


def _within(network: Network, prefix: Network | None) -> bool:
    return prefix is not None and network.version == prefix.version and network.subnet_of(prefix)  # type: ignore[arg-type]
