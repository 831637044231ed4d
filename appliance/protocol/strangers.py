"""Accepted links on which no handshake began yet: they have a while for it, and there may be only so many."""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.protocol.admission import PREFIX_SHARE, PrefixRates, prefix_of
from appliance.protocol.counted import Count
from appliance.protocol.events import LinkId
from appliance.protocol.links import address_of
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline

STRANGER_SECONDS = 10.0
"""How long an accepted link may stay without a handshake."""
LEAST_SECONDS = 1.0
"""How long it may stay if others wait for its place: a hello comes one round trip after the connection."""
MAX_STRANGER_LINKS = 256
"""The most such links."""
MOST_OF_A_PREFIX = MAX_STRANGER_LINKS // PREFIX_SHARE
"""The most such links of one prefix."""


class Strangers:
    """The links that nobody has used yet, oldest first, each with when it came and its prefix."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._links: dict[LinkId, tuple[float, str]] = {}
        self.configure()

    def configure(self) -> None:
        """The limits changed."""
        self._rates = PrefixRates(self._shared.settings.handshakes_per_second)

    def may_come(self, source: SocketAddress, now: float) -> bool:
        """Is a connection from `source` to be taken, or closed at once? A prefix has its share of the rate and of the places."""
        if self._rates.take(source[0], now):
            self._forget_used()
            prefix = prefix_of(source[0])
            if sum(1 for _, other in self._links.values() if other == prefix) < MOST_OF_A_PREFIX:
                return True
        self._shared.counters[Count.STRANGER_LINKS] += 1
        return False

    def full(self, now: float) -> bool:
        """Are there so many, all of them new, that the next one has to wait?"""
        if len(self._links) < MAX_STRANGER_LINKS:
            return False
        self._forget_used()
        oldest = next(iter(self._links.values()), (now, ""))
        return len(self._links) >= MAX_STRANGER_LINKS and now - oldest[0] < LEAST_SECONDS

    def greet(self, link: LinkId, now: float) -> None:
        """A link was accepted. When there are too many, the oldest goes."""
        self._shared.timers.set((Deadline.LINK, link), now + STRANGER_SECONDS)
        remote = self._shared.links[link].remote
        self._links[link] = now, "" if remote is None else prefix_of(address_of(remote)[0])
        if len(self._links) > MAX_STRANGER_LINKS:
            self._forget_used()
        if len(self._links) > MAX_STRANGER_LINKS:
            oldest = next(iter(self._links))
            del self._links[oldest]
            self._shared.counters[Count.STRANGER_LINKS] += 1
            self._shared.drop_unused(self._shared.links[oldest])

    def expire(self, link: LinkId, _now: float) -> None:
        """The timer of a link: close it if still nobody uses it."""
        self._links.pop(link, None)
        found = self._shared.links.get(link)
        if found is not None:
            self._shared.drop_unused(found)

    def link_closed(self, link: LinkId) -> None:
        """Forget a link that is gone."""
        self._links.pop(link, None)

    def _forget_used(self) -> None:
        for stranger in list(self._links):
            known = self._shared.links.get(stranger)
            if known is None or known.users:
                del self._links[stranger]
