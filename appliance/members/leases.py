"""A port of the router's for this node: asked for, renewed and given back, by PCP, and by NAT-PMP where that is all there is.

    ASKING ──answer──▶ HELD ──half of the lifetime──▶ ASKING
      │ nobody answers, or "no"
      ▼
    RESTING ──some minutes──▶ ASKING

Drive it with the `handle_…` methods; after each take `poll_transmit` until None, look at `mapped`, and call `handle_timeout` when
`poll_timeout` says. Times are monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from math import inf
from typing import Final

from appliance.api.values import Endpoint
from appliance.wire import port_mapping as wire

LIFETIME: Final = 1200
"""Seconds to ask for: a router that lost its mappings without a word has them again within ten minutes."""
LEAST_LIFETIME: Final = 30
"""A router that gives less is asked again after half of this."""
TRIES: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds until a request is sent again, as RFC 6886, section 3.1 has it, but given up after four seconds: most routers that do
not answer at once never do."""
AGAIN_SECONDS: Final = 30.0
"""Until a renewal that nobody answered is tried again, while the mapping lasts."""
REST_SECONDS: Final = 600.0
"""Until a router that said no, or nothing, is asked again."""
EPOCH_SLACK: Final = 2
"""Seconds by which the router's clock may differ from ours (RFC 6887, section 8.5)."""


class Protocol(StrEnum):
    """What is spoken with the router."""

    PCP = "pcp"
    NAT_PMP = "nat-pmp"


class Lease:
    """The port of one socket at one router. `nonce` are 12 random bytes, by which PCP knows its owner."""

    def __init__(self, client: str, internal: int, nonce: bytes, now: float) -> None:
        """`client` is this host's address towards the router."""
        self.client = client
        self.internal = internal
        self.protocol = Protocol.PCP
        self.mapped: Endpoint | None = None
        """Where the router lets others in."""
        self.problem = ""
        """Why there is no mapping; "" while one is asked for or held."""
        self.renewals = 0
        self.lost = 0
        """How often the router had lost its mappings."""
        self._nonce = nonce
        self._external = 0
        self._address = ""
        self._expires = inf
        self._tries = 0
        self._wake: float | None = None
        self._asking = False
        self._epoch: tuple[int, float] | None = None
        self._transmits: deque[bytes] = deque()
        self._ask(now)

    def handle_answer(self, message: bytes, now: float) -> None:
        """The router said something. (From anybody else it must not come here.)"""
        answer = wire.decode(message)
        if isinstance(answer, wire.Address):
            if self.protocol is Protocol.NAT_PMP and answer.code == wire.Code.SUCCESS:
                self._check_epoch(answer.epoch, now)
                self._address = answer.address
                self._settle()
        elif answer is not None and self._asking:
            self._take(answer, now)

    def handle_timeout(self, now: float) -> None:
        """Ask again, renew, or give up."""
        if now >= self._expires:
            self.mapped, self._expires = None, inf
        if self._wake is None or now < self._wake:
            return
        if not self._asking:
            self._ask(now)
        elif self._tries < len(TRIES):
            self._send(now)
        elif self.protocol is Protocol.PCP and self.mapped is None:
            self._speak(Protocol.NAT_PMP, now)
        elif self.mapped is not None:
            self._asking, self._wake = False, now + AGAIN_SECONDS
        else:
            self._rest("the router answers neither PCP nor NAT-PMP", now)

    def withdraw(self) -> bytes | None:
        """What takes the mapping back, to be sent once or twice. None if there is none."""
        if self.mapped is None:
            return None
        self.mapped, self._wake, self._asking = None, None, False
        if self.protocol is Protocol.PCP:
            return wire.pcp_request(self.client, self._nonce, self.internal, self._external, 0)
        return wire.pmp_request(self.internal, 0, 0)

    def poll_transmit(self) -> bytes | None:
        """The next message to the router."""
        return self._transmits.popleft() if self._transmits else None

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._wake if self._wake is None or self._expires > self._wake else self._expires

    # ---- inside ----

    def _ask(self, now: float) -> None:
        self._asking, self._tries = True, 0
        self._send(now)

    def _speak(self, protocol: Protocol, now: float) -> None:
        self.protocol = protocol
        self._ask(now)

    def _send(self, now: float) -> None:
        if self.protocol is Protocol.PCP:
            self._transmits.append(wire.pcp_request(self.client, self._nonce, self.internal, self._external, LIFETIME))
        else:
            self._transmits.append(wire.pmp_address_request())
            self._transmits.append(wire.pmp_request(self.internal, self._external or self.internal, LIFETIME))
        self._wake = now + TRIES[self._tries]
        self._tries += 1

    def _take(self, answer: wire.Mapped, now: float) -> None:
        if answer.version == wire.NAT_PMP and self.protocol is Protocol.PCP:
            if answer.code == wire.Code.UNSUPPORTED_VERSION:  # RFC 6887, appendix A: it knows NAT-PMP only
                self._speak(Protocol.NAT_PMP, now)
            return
        if answer.version != (wire.PCP if self.protocol is Protocol.PCP else wire.NAT_PMP):
            return
        if answer.version == wire.PCP and answer.nonce not in {self._nonce, b""}:
            return
        if answer.code != wire.Code.SUCCESS:
            self._rest(f"the router refuses a mapping ({self.protocol} result {answer.code})", now)
            return
        if answer.internal != self.internal or not answer.external or not answer.lifetime:
            return
        self._check_epoch(answer.epoch, now)
        self.renewals += self.mapped is not None
        self._external = answer.external
        self._address = answer.address or self._address
        lifetime = min(max(answer.lifetime, LEAST_LIFETIME), LIFETIME)
        self._asking, self.problem = False, ""
        self._wake, self._expires = now + lifetime / 2, now + lifetime
        self._settle()

    def _settle(self) -> None:
        """Both halves of NAT-PMP are there, or PCP's one."""
        if not self._asking and self._address and self._external:
            self.mapped = Endpoint("udp", self._address, self._external)

    def _check_epoch(self, epoch: int, now: float) -> None:
        """RFC 6887, section 8.5; RFC 6886, section 3.6: an epoch that went back, or not as fast as time, means a router that has
        forgotten what was mapped."""
        if self._epoch is not None:
            before, at = self._epoch
            if epoch + EPOCH_SLACK < before + (now - at) * 7 / 8:
                self.lost += 1
        self._epoch = epoch, now

    def _rest(self, problem: str, now: float) -> None:
        self._asking, self.problem = False, problem
        self.mapped, self._expires = None, inf
        self.protocol = Protocol.PCP
        self._wake = now + REST_SECONDS
