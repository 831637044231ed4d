"""A configured peer: where it may be reached, how often that failed, and what is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from appliance.api.values import Endpoint, is_address
from appliance.protocol.settings import PeerSettings

PAUSE_FIRST = 0.25
"""Seconds between two rounds of attempts at first; doubled each time."""
PAUSE_SOON = 1.5
"""The longest pause while an outage is young: a host that reboots is met again within two seconds."""
YOUNG_OUTAGE = 300.0
"""Seconds for which an outage is young."""
PAUSE_LATE = 30.0
"""The longest pause afterwards."""
JITTER = 0.25
"""A pause is shorter or longer by up to this share, so that peers do not call all at once."""
WANTED_SECONDS = 10.0
"""How long a peer that is not kept alive is called for traffic that waits: as long as most programs wait for an answer."""
MAX_REMEMBERED = 16
"""Endpoints whose datagram size is kept; a peer that roams has a new one each time."""


@dataclass(slots=True)
class Peer:
    """A peer of this node. Times are monotonic seconds."""

    settings: PeerSettings
    endpoints: tuple[Endpoint, ...] = ()
    """Where to reach it, most wanted first; hosts are addresses."""
    at: int = 0
    """Counts attempts. The next one goes to the endpoint at this place, round and round."""
    failures: int = 0
    """Attempts that failed since it was last reached."""
    outage_since: float | None = None
    """When the first of them failed; None while there are none."""
    dialing: bool = False
    """A Dial is under way."""
    queued: bool = False
    """It waits for its turn to be dialled."""
    initiation: int | None = None
    """Our index of the handshake that we began; None if there is none."""
    session: int | None = None
    """Our index of the session that carries its traffic; None if there is none."""
    last_error: str = ""
    """Why the last attempt failed; empty after one that did not."""
    disowned_at: float = -inf
    """When we last believed a packet that said it had lost its session."""
    wanted_until: float = -inf
    """It is called until then although its keepalive is 0."""
    proved: bool = True
    """It is a peer of this node. False: a stranger on probation (`protocol.probation`)."""
    edited: bool = False
    """The profile's endpoints were changed, and what they are now was not tried yet."""
    _configured: tuple[Endpoint, ...] = field(default=(), repr=False)
    """The endpoints that the profile names; hosts may be DNS names."""
    _datagrams: dict[Endpoint, int] = field(default_factory=dict, repr=False)
    """Bytes of the datagrams to begin with, by endpoint."""
    _tried: dict[Endpoint, str] = field(default_factory=dict, repr=False)
    """Why the last attempt at each of `endpoints` failed."""

    def __post_init__(self) -> None:
        self.configure(self.settings)
        self.edited = False

    @property
    def name(self) -> str:
        """Its name in the profile."""
        return self.settings.name

    @property
    def next_endpoint(self) -> Endpoint:
        """Where the next attempt goes."""
        return self.endpoints[self.at % len(self.endpoints)]

    @property
    def busy(self) -> bool:
        """Is an attempt under way?"""
        return self.dialing or self.initiation is not None

    def configure(self, settings: PeerSettings) -> None:
        """Take changed settings. Candidates from discovery stay until they are replaced, unless the endpoints changed."""
        self.settings = settings
        if settings.endpoints != self._configured:
            self.edited = True
            self._configured = settings.endpoints
            self.reach_at([endpoint for endpoint in settings.endpoints if not is_named(endpoint)])

    def reach_at(self, endpoints: Sequence[Endpoint]) -> None:
        """Use these endpoints from now on, beginning with the first."""
        if tuple(endpoints) != self.endpoints:
            self.endpoints = tuple(endpoints)
            self.at = 0
            self._tried = {endpoint: reason for endpoint, reason in self._tried.items() if endpoint in self.endpoints}

    def tried(self, endpoint: Endpoint) -> str:
        """Why the last attempt there failed; "" if there was none that did."""
        return self._tried.get(endpoint, "")

    def passed_over(self, endpoint: Endpoint | None) -> list[tuple[Endpoint, str]]:
        """The endpoints that are wanted more than `endpoint`, which carries the traffic now, and failed, each with the reason.
        Empty if `endpoint` is not one of this peer's, as when it called us."""
        if endpoint not in self.endpoints:
            return []
        before = self.endpoints[: self.endpoints.index(endpoint)]
        return [(each, self._tried[each]) for each in before if each in self._tried]

    def skip(self, endpoint: Endpoint | None) -> None:
        """`endpoint` is known not to work: begin with the one after it."""
        if endpoint in self.endpoints:
            self.at = self.endpoints.index(endpoint) + 1

    def failed(self, now: float, reason: str) -> None:
        """An attempt came to nothing: the next one goes to the next endpoint."""
        if self.endpoints:
            self._tried[self.next_endpoint] = reason
        self.at += 1
        self.failures += 1
        self.last_error = reason
        if self.outage_since is None:
            self.outage_since = now

    def remember(self, endpoint: Endpoint, datagram: int) -> None:
        """Begin with datagrams of so many bytes the next time at `endpoint`."""
        if len(self._datagrams) >= MAX_REMEMBERED and endpoint not in self._datagrams:
            del self._datagrams[next(iter(self._datagrams))]
        self._datagrams[endpoint] = datagram

    def remembered(self, endpoint: Endpoint | None, most: int) -> int:
        """Bytes of the datagrams to begin with at `endpoint`, at most `most`."""
        return most if endpoint is None else min(most, self._datagrams.get(endpoint, most))

    def want(self, now: float) -> None:
        """There is something to say to it: call it for a while, although its keepalive may be 0."""
        self.wanted_until = now + WANTED_SECONDS

    def reached(self) -> None:
        """A session is there: start from the most wanted endpoint next time."""
        self.at = self.failures = 0
        self.outage_since = None
        self.wanted_until = -inf
        self.last_error = ""

    def pause(self, now: float, chance: float) -> float:
        """Seconds until the next attempt: 0 while an endpoint of this round is untried, then growing. `chance` is random in [0,
        1) and spreads it."""
        rounds = self.failures // max(1, len(self.endpoints))
        if rounds == 0 or self.failures % len(self.endpoints or (None,)):
            return 0.0
        young = self.outage_since is None or now - self.outage_since < YOUNG_OUTAGE
        pause = min(PAUSE_FIRST * 2.0 ** min(rounds - 1, 16), PAUSE_SOON if young else PAUSE_LATE)
        return pause * (1 - JITTER + 2 * JITTER * chance)


def is_named(endpoint: Endpoint) -> bool:
    """Is its host a name that must be looked up before it can be dialled?"""
    return bool(endpoint.host) and not is_address(endpoint.host)
