"""Being a relay: circuits between two peers, each a pair of data channels that one SEQPACKET pair joins.

        session with the caller                     session with the callee
    ──▶ channel n ── one end ══ SEQPACKET pair ══ other end ── channel m ──▶

The workers move what goes through; no process stands in between, and neither worker nor this process can read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import Answer, PeerProtocolError, PeerProtocolServices
from appliance.errors import HostError
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger
from appliance.members.relays.desk import Circuit, Desk, DeskLimits
from appliance.members.relays.messages import (
    ID_BYTES,
    CircuitRefused,
    End,
    Reason,
    judge,
    read_circuits,
    read_connect,
)
from appliance.members.relays.nesting import check_joint
from appliance.runtime.workers.data_channels import Used, Wishes, channel_pair

if TYPE_CHECKING:
    from appliance.runtime.members.relays.around import Around
    from appliance.runtime.members.relays.company import Company

log = get_logger("relay")

INCOMING_SECONDS: Final = 3.0
"""How long who is called may take to say yes."""
GONE_SECONDS: Final = 5.0
"""How long circuits wait for a peer whose session ended: a worker that died is back by then."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at what circuits have used up."""


class Serving:
    """The circuits of this relay. `company` says whether it is one, and whose."""

    def __init__(self, around: Around, services: PeerProtocolServices, limits: DeskLimits, company: Company) -> None:
        self.desk = Desk(limits)
        self._around = around
        self._services = services
        self._company = company
        self._looking = False
        self._gone: dict[str, asyncio.TimerHandle] = {}

    # ---- what peers ask ----

    def reserve(self, peer: str) -> Answer:
        """A peer wants to be called over this node."""
        self._check_user(peer)
        return Answer({"seconds": self.desk.reserve(peer, clock.monotonic())})

    async def connect(self, caller: str, content: Mapping[str, Any]) -> Answer:
        """A peer wants a circuit. Raises CircuitRefused."""
        around, wanted = self._around, read_connect(content)
        self._check_user(caller)
        around.check_proposed(caller, wanted.channel)
        callee = around.name(wanted.to)
        if callee is None or callee not in self._services.peers():
            raise CircuitRefused(Reason.NOT_THERE)
        self._check_user(callee)
        relays = check_joint(caller, callee, around.via, around.relays_to)
        now = clock.monotonic()
        circuit = Circuit(entropy.random_bytes(ID_BYTES).hex(), caller, callee, now, wanted.channel, relays=relays)
        for other, why in self.desk.begin(circuit, now):
            self._part(other, why)
        try:
            await self._join(circuit)
        except BaseException:
            self.desk.withdraw(circuit)
            raise
        log.debug("circuit made", caller=caller, callee=callee, relays=relays)
        return Answer({"circuit": circuit.number, "relays": relays})

    async def _join(self, circuit: Circuit) -> None:
        around, callee = self._around, circuit.callee
        channel = around.propose(callee)
        offer = {
            "from": around.fingerprint(circuit.caller),
            "channel": channel,
            "circuit": circuit.number,
            "relays": circuit.relays,
        }
        try:
            judge(await self._services.ask(callee, "incoming", offer, within=INCOMING_SECONDS))
        except PeerProtocolError:
            raise CircuitRefused(Reason.SILENT) from None
        number, ends = circuit.number, channel_pair()
        rate, ended = self.desk.limits.rate, partial(self._ended, number)
        wishes = [Wishes(rate, carrier=True, ended=ended, used=partial(self._used, number, way)) for way in range(2)]
        try:
            around.channels.open_channel(circuit.caller, circuit.caller_channel, ends[0], wishes[0])
            try:
                around.channels.open_channel(callee, channel, ends[1], wishes[1])
            except HostError:
                around.channels.close_channel(circuit.caller, circuit.caller_channel)
                raise
        except HostError:
            for end in ends:
                end.close()
            self._say_close(callee, circuit.number, End.CLOSED)
            raise CircuitRefused(Reason.CHANNEL_TAKEN) from None
        self.desk.joined(circuit, channel, clock.monotonic())
        if not self._looking:
            self._looking = True
            self._services.spawn(self._look(), "relay limits")

    def measure(self, peer: str, content: Mapping[str, Any]) -> Answer:
        """A peer asks how busy we are, and tells which circuits it knows."""
        self._check_user(peer)
        known, now = read_circuits(content), clock.monotonic()
        if self.desk.reserved(peer, now):
            self.desk.reserve(peer, now)
        for circuit in self.desk.unknown_to(peer, known, now):
            self.end(circuit.number, End.FORGOTTEN)
        return Answer(
            {
                "circuits": [circuit.number for circuit in self.desk.of(peer)],
                "used": round(self.desk.used, 3),
                "reserved": self.desk.reserved(peer, now),
            }
        )

    def closed_by(self, peer: str, number: str) -> bool:
        """A peer says that a circuit of its is over. False: it has none of that number."""
        circuit = self.desk.get(number)
        if circuit is None or peer not in circuit.ends:
            return False
        self.end(number, End.CLOSED)
        return True

    def _check_user(self, peer: str) -> None:
        if not self._company.serves():
            raise CircuitRefused(Reason.NOT_SERVING)
        if not self._company.may_use(peer):
            raise CircuitRefused(Reason.NOT_ALLOWED)

    def report(self, now: float) -> dict[str, Any] | None:
        """The circuits, for the status. None: this node is no relay."""
        if not self._company.serves():
            return None
        return {
            "reservations": self.desk.reservations(now),
            "used": round(self.desk.used, 3),
            "circuits": [
                {
                    "caller": circuit.caller,
                    "callee": circuit.callee,
                    "relays": circuit.relays,
                    "age_s": round(now - circuit.since, 3),
                    "to_caller_bytes": circuit.moved[0],
                    "to_callee_bytes": circuit.moved[1],
                    "lost_records": circuit.lost,
                }
                for circuit in self.desk
                if circuit.joined
            ],
        }

    # ---- who comes and goes ----

    def connected(self, peer: str) -> None:
        """A peer has a session (again)."""
        timer = self._gone.pop(peer, None)
        if timer is not None:
            timer.cancel()

    def gone(self, peer: str) -> None:
        """A peer's last session ended: its circuits wait for it for a while."""
        if self.desk.of(peer) and peer not in self._gone:
            self._gone[peer] = asyncio.get_running_loop().call_later(GONE_SECONDS, self._given_up, peer)

    def _given_up(self, peer: str) -> None:
        del self._gone[peer]
        for circuit in self.desk.of(peer):
            self.end(circuit.number, End.GONE)

    # ---- ends ----

    def end(self, number: str, why: End) -> None:
        """A circuit is over."""
        circuit = self.desk.end(number, why)
        if circuit is not None:
            self._part(circuit, why)

    def close(self) -> None:
        """This node is no relay any more."""
        for circuit in self.desk:
            self.end(circuit.number, End.SHUTDOWN)
        for timer in self._gone.values():
            timer.cancel()
        self._gone.clear()

    def _ended(self, number: str) -> None:
        """One of its channels has ended in the workers: that of a peer that is no more, or the other end of one."""
        self.end(number, End.CLOSED)

    def _used(self, number: str, way: int, used: Used) -> None:
        circuit = self.desk.get(number)
        if circuit is not None:
            circuit.count(way, used.bytes, used.lost, clock.monotonic())

    def _part(self, circuit: Circuit, why: End) -> None:
        if circuit.joined:
            self._around.channels.close_channel(circuit.caller, circuit.caller_channel)
            self._around.channels.close_channel(circuit.callee, circuit.callee_channel)
        for peer in circuit.ends:
            self._say_close(peer, circuit.number, why)

    def _say_close(self, peer: str, number: str, why: End) -> None:
        try:
            self._services.send(peer, "close", {"circuit": number, "because": str(why)})
        except PeerProtocolError:  # it asks, sooner or later
            self.desk.counters["unsaid"] += 1

    async def _look(self) -> None:
        while len(self.desk):
            await self._services.sleep(LOOK_SECONDS)
            for circuit, why in self.desk.overdue(clock.monotonic()):
                log.info("a circuit has used up what it may", caller=circuit.caller, callee=circuit.callee, limit=str(why))
                self.end(circuit.number, why)
        self._looking = False
