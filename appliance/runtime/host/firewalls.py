"""What firewalls of others on this host are in the node's way, as long as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.foundation.logging import get_logger

if TYPE_CHECKING:
    from appliance.api.planning import Advice

log = get_logger("host")


class Firewalls:
    """`advice` is what an admin should know about them just now."""

    def __init__(self) -> None:
        self.advice: tuple[Advice, ...] = ()

    def applied(self, advice: Sequence[Advice]) -> None:
        """A plan was carried out, whose warnings are in the log already."""
        self.advice = tuple(advice)

    def seen(self, advice: Sequence[Advice]) -> None:
        """The host was looked at: what is new is told, and when nothing is left."""
        before, self.advice = self.advice, tuple(advice)
        for one in self.advice:
            if one not in before:
                log.warning("a firewall of this host is in the way", reason=one.finding, hint=one.todo)
        if before and not self.advice:
            log.info("no firewall of this host is in the way any more")
