"""Who the peers are, as a policy means them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from appliance.policy.subjects import Party
from appliance.runtime.peers.table import Origin, PeerEntry

if TYPE_CHECKING:
    from appliance.members.certificate import Certificate
    from appliance.runtime.peers.table import Address

NOBODY: Mapping[str, Certificate] = {}


def parties(entries: Iterable[PeerEntry], members: Mapping[str, Certificate] = NOBODY) -> Iterator[Party]:
    """The peers of a table; `members` are the certificates that count, by identity.

    A name counts if the profile or a certificate gives it: what a discovery plugin brings may call itself as it likes.
    """
    for entry in entries:
        certificate = members.get(entry.identity)
        named = entry.origin is Origin.PROFILE or certificate is not None
        tags = frozenset(() if certificate is None else certificate.tags)
        yield Party(entry.name if named else "", own_addresses(entry, certificate), tags, member=certificate is not None)


def own_addresses(entry: PeerEntry, certificate: Certificate | None) -> tuple[Address, ...]:
    """The addresses of the peer itself: of a member those of its certificate, of others the single ones among what it may send
    from. The rest is behind it."""
    single = (prefix.network_address for prefix in entry.allowed if prefix.prefixlen == prefix.max_prefixlen)
    if entry.origin is Origin.PROFILE or certificate is None:
        return tuple(single)
    return tuple(address for address in single if address in certificate.addresses)
