"""What of a certificate becomes an entry of the table of peers: no more than it says, and no more than the profile accepts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.planning.membership import EVERYTHING
from appliance.runtime.peers.routes import may_have
from appliance.runtime.peers.table import Origin, PeerEntry

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.values import Endpoint, Network
    from appliance.members.certificate import Certificate

KEPT_ALIVE: Final = 10.0
"""Seconds of silence after which a neighbour is asked whether it is there, as a profile's peers are."""
NOT_DIALLED: Final = 0.0
"""Of all others: a session is made when traffic wants it, and ends when it is idle."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a member is reached."""

    endpoints: tuple[Endpoint, ...] = ()
    """Address literals, most wanted first."""
    alive: bool = False
    """A session with it is made and kept, whether there is traffic or not."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the profile accepts of members."""

    overlay: tuple[Network, ...]
    """Their own addresses lie in one of these."""
    prefixes: tuple[Network, ...] = ()
    """What lies behind them is in one of these."""
    exit: str | None = None
    """Name of the one that may have everything else."""

    @classmethod
    def of(cls, profile: Profile, overlay: tuple[Network, ...]) -> Policy:
        """That of a profile with the section `mesh`."""
        assert profile.mesh is not None
        return cls(overlay, profile.mesh.accept.prefixes, profile.mesh.accept.exit)


def entry_of(certificate: Certificate, policy: Policy, reach: Reach) -> tuple[PeerEntry, bool]:
    """The entry, and whether the profile accepts less than the certificate says."""
    addresses = [ipaddress.ip_network(address) for address in certificate.addresses]
    allowed = [each for each in addresses if may_have(each, policy.overlay)]
    allowed += [each for each in certificate.prefixes if may_have(each, policy.prefixes)]
    cut = len(allowed) < len(addresses) + len(certificate.prefixes)
    if policy.exit == certificate.name:
        allowed += EVERYTHING if certificate.exit else ()
        cut = cut or not certificate.exit
    entry = PeerEntry(
        certificate.name,
        certificate.identity,
        reach.endpoints,
        tuple(dict.fromkeys(allowed)),
        KEPT_ALIVE if reach.alive else NOT_DIALLED,
        origin=Origin.MEMBER,
    )
    return entry, cut
