"""A network and its statements for tests: always the same keys for the same names."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from appliance.members.certificate import Certificate
from appliance.members.network import NetworkKey
from appliance.members.revocation import Revocation
from appliance.members.scope import Grants, Role, Scope
from appliance.members.signing import sign_certificate, sign_revocation
from appliance.members.trust import Trust
from appliance.protocol.identity import Identity
from appliance.testing.pair import identity_of

OWNER = identity_of("owner")
NETWORK = NetworkKey(OWNER.public.encoded)
NOW = 1_800_000_000
DAY = 86_400
WIDE = Scope(30 * DAY, (ip_network("10.7.0.0/16"),), (ip_network("192.168.0.0/16"),), ("desk",))


def identity(name: str) -> str:
    """The fingerprint of the node with that name."""
    return identity_of(name).fingerprint


def certificate(name: str, by: Identity = OWNER, *, network: NetworkKey = NETWORK, of: str = "", **words: Any) -> Certificate:
    """One for the node `of`, which has that name too unless it is said otherwise. Its serial follows from its name."""
    serial = int.from_bytes(name.encode()[:7], "big")
    given: dict[str, Any] = {"name": name, "serial": serial, "not_before": NOW, "not_after": NOW + 30 * DAY} | words
    return sign_certificate(by, network, identity_of(of or name).public, **given)


def issuer(name: str = "issuer", scope: Scope = WIDE, **words: Any) -> Certificate:
    """A certificate that makes that node an issuer."""
    return certificate(name, scope=scope, **words)


def revocation(*names: str, by: Identity = OWNER, epoch: int = 0, at: int = NOW, **words: Any) -> Revocation:
    """One that ends these nodes."""
    given: dict[str, Any] = {"serial": 2, **words}
    return sign_revocation(by, NETWORK, {identity(name): epoch for name in names}, at=at, **given)


def grants(
    *addresses: str,
    prefixes: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    roles: tuple[str, ...] = (),
    is_exit: bool = False,
) -> Grants:
    """What a certificate gives."""
    networks = tuple(map(ip_network, prefixes))
    return Grants(tuple(map(ip_address, addresses)), networks, is_exit, tags, frozenset(map(Role, roles)))


def trusting(*statements: Any, now: int = NOW) -> Trust:
    """A node that has taken all of these."""
    trust = Trust(NETWORK)
    for each in statements:
        trust.take(each.encoded, now)
    return trust


def names(trust: Trust, now: int = NOW) -> list[str]:
    """Who is a member."""
    return sorted(each.name for each in trust.members(now).values())
