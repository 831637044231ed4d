"""Who is turned away while this process or its host is short of something: strangers first, then everybody but root of the host.

             well      strained                 exhausted
    root     answered  answered                 answered
    known    answered  answered                 503
    strangers answered 503                      503        health and readiness are always told

Short of disk, only what changes something is turned away: reading needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from appliance.api_server.caller import LOCAL, who_may_everything
from appliance.api_server.refusals import Overloaded
from appliance.management.operations.table import BY_NAME
from appliance.protocol.pressure import Grade, Pressure, Resource

ALWAYS: Final = frozenset({"/health", "/ready", *(BY_NAME[name].full_path for name in ("health", "short.health"))})
"""What monitors ask: whoever is short has to be able to say so."""
OF_THE_KNOWN: Final = frozenset(BY_NAME[name].full_path for name in ("auth.refresh", "auth.logout"))
"""Who asks there was logged in, and says so in the body."""
SAFE: Final = {"GET", "HEAD", "OPTIONS"}
AGAIN_SECONDS: Final = 10.0
"""Longer than it takes until a shortage that has ended counts as over."""


class Shedding:
    """Judges requests before anything is done for them."""

    def __init__(self, pressure: Pressure) -> None:
        self._pressure = pressure

    def judge(self, scope: Scope, given: Headers) -> None:
        """Raises Overloaded. Costs one comparison while nothing is short."""
        if self._pressure.worst is Grade.WELL or scope["path"] in ALWAYS or _is_root(scope):
            return
        known = "authorization" in given or "who" in scope.get("state", {}) or scope["path"] in OF_THE_KNOWN
        changes = scope["type"] == "http" and scope["method"] not in SAFE
        for resource in Resource:
            grade = self._pressure.grade(resource)
            if grade is Grade.WELL or (resource is Resource.DISK and not changes) or (grade is Grade.STRAINED and known):
                continue
            raise Overloaded(str(resource), AGAIN_SECONDS)

    def of_strangers(self) -> str:
        """Why a connection that nobody can be known by is not taken now, as `Overloaded` counts it; "": it is. Disk does not
        matter to it."""
        if self._pressure.worst is Grade.WELL:
            return ""
        short = (each for each in Resource if each is not Resource.DISK and self._pressure.grade(each) is not Grade.WELL)
        return next((Overloaded(str(each), AGAIN_SECONDS).reason for each in short), "")

    def shown(self) -> Mapping[str, str]:
        """What is short now, each with the reason."""
        return self._pressure.shown()


def _is_root(scope: Scope) -> bool:
    """Root of this host, or our own user, at the Unix socket: who mends things."""
    client = scope["client"]
    return client is not None and client[0] == LOCAL and client[1] in who_may_everything()
