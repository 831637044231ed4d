"""Which of several certificates count when they cannot all: two names, two addresses, prefixes that overlap.

Whoever comes first in the given order keeps what it has; a later one that wants any of it is no member at all. The order is a
function of the certificates, so all nodes that have the same ones come to the same members, however they learned them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from appliance.api.values import Network
from appliance.members.certificate import Certificate
from appliance.members.fields import Address
from appliance.wire.nobodys import range_of


class Why(StrEnum):
    """Why a certificate that is here does not count."""

    ISSUER_REMOVED = "issuer-removed"
    """Its issuer was removed, or proved a fraud, and nobody vouches for it."""
    NO_ISSUER = "no-issuer"
    """Its issuer has no valid certificate, or one that makes it no issuer."""
    BEYOND_SCOPE = "beyond-scope"
    """Its issuer may no longer say that."""
    REMOVED = "removed"
    """An issuer removed the node."""
    NAME_TAKEN = "name-taken"
    ADDRESS_TAKEN = "address-taken"
    PREFIX_TAKEN = "prefix-taken"


class SetAside(NamedTuple):
    """A certificate that is shown, but does not count."""

    certificate: Certificate
    why: Why
    against: str = ""
    """The name of the member that has it already."""


def settled(ordered: Iterable[Certificate]) -> tuple[dict[str, Certificate], list[SetAside]]:
    """The members by identity, and those that clash with one before them."""
    members: dict[str, Certificate] = {}
    aside: list[SetAside] = []
    names: dict[str, Certificate] = {}
    taken = {4: _Taken(), 6: _Taken()}
    for certificate in ordered:
        clash = names.get(certificate.name)
        why = Why.NAME_TAKEN
        if clash is None:
            for network in (*certificate.addresses, *certificate.prefixes):
                clash = taken[network.version].by(network)
                if clash is not None:
                    why = Why.ADDRESS_TAKEN if network in certificate.addresses else Why.PREFIX_TAKEN
                    break
        if clash is not None:
            aside.append(SetAside(certificate, why, clash.name))
            continue
        members[certificate.identity] = names[certificate.name] = certificate
        for network in (*certificate.addresses, *certificate.prefixes):
            taken[network.version].add(network, certificate)
    return members, aside


class _Taken:
    """Ranges of addresses that do not overlap, and who has them."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        """In order."""
        self._rest: dict[int, tuple[int, Certificate]] = {}
        """By the first address: the last one, and whose they are."""

    def by(self, network: Network | Address) -> Certificate | None:
        """Who has any of it."""
        first, last = range_of(network)
        at = bisect_right(self._firsts, last) - 1
        if at < 0:
            return None
        end, owner = self._rest[self._firsts[at]]
        return owner if end >= first else None

    def add(self, network: Network | Address, owner: Certificate) -> None:
        """Nobody else has any of it; what `owner` itself has inside of it, or around it, becomes one range."""
        first, last = range_of(network)
        while (at := bisect_right(self._firsts, last) - 1) >= 0 and self._rest[self._firsts[at]][0] >= first:
            inner = self._firsts.pop(at)
            first, last = min(first, inner), max(last, self._rest.pop(inner)[0])
        self._firsts.insert(at + 1, first)
        self._rest[first] = last, owner
