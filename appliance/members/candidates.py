"""Addresses at which a peer says that it can be reached: which of them are tried, and how often any address is tried at all.

A peer can name anybody's address. So what it names is judged: it is few addresses, none of them harmful to try; and what is sent
to one host has a budget, whoever named it. A probe is a sealed record of 48 bytes, and its answer proves who is there.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from appliance.api.values import Endpoint, Network
from appliance.protocol.admission import TokenBucket

SCHEME: Final = "udp"
"""Direct paths are found for datagrams only: they are what passes NATs without a relay."""
MAX_NAMED: Final = 16
"""Addresses of one message that are looked at."""
MAX_TRIED: Final = 8
"""Addresses of one peer that are tried: two of its host, two that others see, one that is mapped, and as many of IPv6."""
PROBES_PER_SECOND: Final = 400.0
"""Probes of this node, to whomever: five peers at a time with eight addresses each."""
PROBES_PER_HOST: Final = 40.0
"""Probes to one host a second, whoever named it: four ports, ten times. 2 KB a second."""
HOSTS_REMEMBERED: Final = 256


class Unfit(StrEnum):
    """Why an address is not tried."""

    FORM = "form"
    """It is no endpoint with an address literal."""
    SCHEME = "scheme"
    """It is not UDP."""
    MULTICAST = "multicast"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    """It means another host here than there."""
    NOWHERE = "nowhere"
    """Unspecified, broadcast, or reserved."""
    OVERLAY = "overlay"
    """It lies inside of the overlay, or is one of this host's own."""
    TOO_MANY = "too-many"
    """It is beyond those that are looked at or tried."""


class Judge:
    """Sorts out what peers name. `overlay` are the networks inside of the tunnel, `own` this host's addresses."""

    def __init__(self, overlay: Sequence[Network] = (), own: Sequence[str] = ()) -> None:
        self._overlay = tuple(overlay)
        self._own = frozenset(own)
        self.counters: Counter[str] = Counter()
        """What was not tried, by reason."""

    def use(self, overlay: Sequence[Network], own: Sequence[str]) -> None:
        """The profile or the host's addresses changed."""
        self._overlay, self._own = tuple(overlay), frozenset(own)

    def fit(self, named: Any) -> tuple[Endpoint, ...]:
        """Those of the addresses in a peer's message that are tried, in its order, each once. `named` is whatever came."""
        if not isinstance(named, list):
            self.counters[Unfit.FORM] += 1
            return ()
        if len(named) > MAX_NAMED:
            self.counters[Unfit.TOO_MANY] += len(named) - MAX_NAMED
        found: dict[Endpoint, None] = {}
        for text in named[:MAX_NAMED]:
            endpoint, reason = _read(text)
            if endpoint is not None:
                reason = self.why_not(endpoint)
            if reason is None and endpoint not in found and len(found) >= MAX_TRIED:
                reason = Unfit.TOO_MANY
            if reason is not None:
                self.counters[reason] += 1
            elif endpoint is not None:
                found[endpoint] = None
        return tuple(found)

    def why_not(self, endpoint: Endpoint) -> Unfit | None:
        """Why this address is not to be tried. None: it may be."""
        if endpoint.scheme != SCHEME:
            return Unfit.SCHEME
        try:
            address = ipaddress.ip_address(endpoint.host)
        except ValueError:
            return Unfit.FORM
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None or getattr(address, "scope_id", None):
            return Unfit.FORM
        harm = _harm(address)
        if harm is not None:
            return harm
        if endpoint.host in self._own or any(address.version == net.version and address in net for net in self._overlay):
            return Unfit.OVERLAY
        return None


def _harm(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Unfit | None:
    if address.is_multicast:
        return Unfit.MULTICAST
    if address.is_loopback:
        return Unfit.LOOPBACK
    if address.is_link_local:
        return Unfit.LINK_LOCAL
    if address.is_unspecified or (address.version == 4 and (address.is_reserved or int(address) >> 24 == 0)):
        return Unfit.NOWHERE
    return None


def _read(text: Any) -> tuple[Endpoint | None, Unfit | None]:
    if not isinstance(text, str) or len(text) > 80:
        return None, Unfit.FORM
    try:
        endpoint = Endpoint.parse(text)
        canonical = str(ipaddress.ip_address(endpoint.host))
    except ValueError:
        return None, Unfit.FORM
    return endpoint._replace(host=canonical), None


class ProbeBudget:
    """How many probes this node sends, to all and to each host."""

    def __init__(self, now: float) -> None:
        self._all = TokenBucket(PROBES_PER_SECOND, PROBES_PER_SECOND, now)
        self._hosts: OrderedDict[str, TokenBucket] = OrderedDict()
        self.held_back = 0
        """Probes that were not sent."""

    def take(self, host: str, now: float) -> bool:
        """May one more go to `host` now?"""
        bucket = self._hosts.pop(host, None) or TokenBucket(PROBES_PER_HOST, PROBES_PER_HOST, now)
        self._hosts[host] = bucket
        if len(self._hosts) > HOSTS_REMEMBERED:
            self._hosts.popitem(last=False)
        if self._all.has(now) and bucket.take(now) and self._all.take(now):
            return True
        self.held_back += 1
        return False
