"""What stands between a program and each of its calls: may look at it, change it, refuse it, and see how it ended.

    async def says_who(call, proceed):
        call.metadata["tenant"] = "blue"
        return await proceed(call)

The first of a client's interceptors is the outermost. All attempts of one call are one call here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger
from appliance.sdk.errors import TooManyCalls
from appliance.sdk.resilience.retrying import Surroundings

C = TypeVar("C")

log = get_logger("sdk")


@dataclass(slots=True)
class Call:
    """A stream that is to be opened."""

    to: str
    """The peer, or "" for any instance of the service."""
    service: str
    metadata: dict[str, str] = field(default_factory=dict)
    deadline_s: float = 0.0
    """What is left of it when the call begins."""


Proceed = Callable[[Call], Awaitable[C]]
"""Goes on with the call, inwards."""
Interceptor = Callable[[Call, Proceed[C]], Awaitable[C]]
"""Returns the connection, its own or what `proceed` returned; raises what the program is to see."""


def chained(interceptors: Sequence[Interceptor[C]], innermost: Proceed[C]) -> Proceed[C]:
    """All of them around `innermost`, the first outermost."""
    proceed = innermost
    for interceptor in reversed(interceptors):
        proceed = _around(interceptor, proceed)
    return proceed


def _around(interceptor: Interceptor[C], proceed: Proceed[C]) -> Proceed[C]:
    return lambda call: interceptor(call, proceed)


class RateLimit(Generic[C]):
    """Lets so many calls begin in a second, and as many at once; more wait their turn, until their deadline."""

    def __init__(self, per_second: float, around: Surroundings) -> None:
        self._per_second = per_second
        self._around = around
        self._last_turn = around.now() - 1.0
        """When the last call had its turn, or will have; a second ago if that is longer ago."""
        self.waited = 0

    async def __call__(self, call: Call, proceed: Proceed[C]) -> C:
        """Raises TooManyCalls if its turn would come after the deadline."""
        now = self._around.now()
        turn = max(self._last_turn, now - 1.0) + 1 / self._per_second
        wait = max(0.0, round(turn - now, 6))
        if wait > call.deadline_s:
            raise TooManyCalls(
                f"the call to {call.service} would have to wait {wait:.1f} s for its turn",
                hint="raise calls_per_s, or call less often",
            )
        self._last_turn = turn
        if wait:
            self.waited += 1
            await self._around.sleep(wait)
            call.deadline_s -= wait
        return await proceed(call)


class Tally(Generic[C]):
    """Counts how calls end, and says each in the log at debug: the client's own metrics."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.ended: Counter[str] = Counter()
        """Calls by how they ended: `ok`, or the error's code."""
        self.seconds = 0.0
        """What all calls that went well took together."""

    async def __call__(self, call: Call, proceed: Proceed[C]) -> C:
        """Changes nothing of the call."""
        began, code = self._around.now(), "cancelled"
        try:
            connection = await proceed(call)
        except ApplianceError as error:
            code = error.code
            raise
        except Exception as error:
            code = type(error).__name__
            raise
        else:
            code = "ok"
            self.seconds += self._around.now() - began
            return connection
        finally:
            self.ended[code] += 1
            log.debug("a call ended", service=call.service, to=call.to, how=code, seconds=round(self._around.now() - began, 6))
