"""Accepted links on which no handshake began yet: they have a while for it, and there may be only so many."""

from __future__ import annotations

from appliance.protocol.context import Context
from appliance.protocol.events import LinkId

STRANGER_SECONDS = 10.0
"""How long an accepted link may stay without a handshake."""
MAX_STRANGER_LINKS = 256


class Strangers:
    """The links of one node that nobody has used yet, oldest first."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._links: dict[LinkId, None] = {}

    def greet(self, link: LinkId, now: float) -> None:
        """A link was accepted. When there are too many, the oldest goes."""
        self._context.timers.set(("link", link), now + STRANGER_SECONDS)
        self._links[link] = None
        for stranger in list(self._links):
            known = self._context.links.get(stranger)
            if known is None or known.users:
                del self._links[stranger]
        if len(self._links) > MAX_STRANGER_LINKS:
            oldest = next(iter(self._links))
            del self._links[oldest]
            self._context.counters["stranger-links"] += 1
            self._context.drop_unused(self._context.links[oldest])

    def expire(self, link: LinkId) -> None:
        """The timer of a link: close it if still nobody uses it."""
        self._links.pop(link, None)
        found = self._context.links.get(link)
        if found is not None:
            self._context.drop_unused(found)

    def link_closed(self, link: LinkId) -> None:
        """Forget a link that is gone."""
        self._links.pop(link, None)
