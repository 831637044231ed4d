"""The port of a router, in virtual time, with routers that answer, refuse, keep silent, restart and lie."""

from __future__ import annotations

import struct
from collections.abc import Callable

from appliance.api.values import Endpoint
from appliance.members.leases import LIFETIME, REST_SECONDS, TRIES, Lease, Protocol
from appliance.wire.port_mapping import MAP, NAT_PMP, PCP, pcp_request

NONCE = bytes(range(12))
OUTSIDE = "203.0.113.9"
PACKED = bytes((203, 0, 113, 9))


class Router:
    """Answers as RFC 6887 and 6886 say. `begun` is when it lost its mappings last."""

    def __init__(self, *, pcp: bool = True, pmp: bool = True, code: int = 0, lifetime: int = LIFETIME) -> None:
        self.pcp, self.pmp, self.code, self.lifetime = pcp, pmp, code, lifetime
        self.begun = -1000.0
        self.asked: list[tuple[int, int]] = []
        """Version and lifetime of each request for a port."""

    def answer(self, message: bytes, now: float) -> bytes | None:
        epoch = int(now - self.begun)
        if message[0] == PCP:
            if not self.pcp:
                return struct.pack("!BBHI", NAT_PMP, 128 | message[1], 1, epoch) if self.pmp else None
            self.asked.append((PCP, int.from_bytes(message[4:8])))
            head = struct.pack("!BBxBII12x", PCP, 128 | MAP, self.code, self.lifetime, epoch)
            port = struct.pack("!H", 40001)
            return head + message[24:42] + port + bytes(10) + b"\xff\xff" + PACKED
        if not self.pmp:
            return None
        if message[1] == 0:
            return struct.pack("!BBHI", 0, 128, self.code, epoch) + PACKED
        self.asked.append((NAT_PMP, int.from_bytes(message[8:12])))
        return struct.pack("!BBHIHHI", 0, 129, self.code, epoch, 8443, 40001, self.lifetime)


def run(lease: Lease, answer: Callable[[bytes, float], bytes | None], begin: float, seconds: float) -> float:
    """Let time pass. When it is then."""
    now, end = begin, begin + seconds
    while True:
        while (message := lease.poll_transmit()) is not None:
            if (said := answer(message, now)) is not None:
                lease.handle_answer(said, now)
        due = lease.poll_timeout()
        if due is None or due > end:
            return end
        now = max(now, due)
        lease.handle_timeout(now)


def test_a_port_is_asked_for_renewed_and_given_back() -> None:
    router, lease = Router(), Lease("10.1.0.2", 8443, NONCE, 0.0)
    now = run(lease, router.answer, 0.0, 3 * LIFETIME)
    assert (lease.protocol, lease.mapped) == (Protocol.PCP, Endpoint("udp", OUTSIDE, 40001))
    assert lease.renewals == 6
    assert lease.withdraw() == pcp_request("10.1.0.2", NONCE, 8443, 40001, 0)
    assert lease.mapped is None
    assert run(lease, router.answer, now, 10 * LIFETIME)
    assert len(router.asked) == 7


def test_a_router_that_knows_nat_pmp_only_is_spoken_to_so() -> None:
    for router in (Router(pcp=False), Router(pcp=False, pmp=True)):
        lease = Lease("10.1.0.2", 8443, NONCE, 0.0)
        run(lease, router.answer, 0.0, 1.0)
        assert (lease.protocol, lease.mapped) == (Protocol.NAT_PMP, Endpoint("udp", OUTSIDE, 40001))
        farewell = lease.withdraw()
        assert farewell is not None
        assert farewell.hex() == "00010000" + "20fb0000" + "00000000"


def test_one_that_is_silent_about_pcp_is_tried_with_the_other() -> None:
    router = Router()
    lease = Lease("10.1.0.2", 8443, NONCE, 0.0)
    run(lease, lambda message, now: None if message[0] == PCP else router.answer(message, now), 0.0, 10.0)
    assert (lease.protocol, lease.mapped) == (Protocol.NAT_PMP, Endpoint("udp", OUTSIDE, 40001))


def test_one_that_is_silent_is_left_alone_for_a_while_and_that_is_said() -> None:
    asked: list[float] = []

    def silent(_message: bytes, now: float) -> None:
        asked.append(now)

    lease = Lease("10.1.0.2", 8443, NONCE, 0.0)
    run(lease, silent, 0.0, 2 * sum(TRIES) + REST_SECONDS + 1.0)
    assert lease.mapped is None
    assert [when for when in asked if 2 * sum(TRIES) < when < REST_SECONDS] == []
    assert [when for when in asked if when > REST_SECONDS]


def test_one_that_refuses_is_believed() -> None:
    lease = Lease("10.1.0.2", 8443, NONCE, 0.0)
    run(lease, Router(code=2).answer, 0.0, 1.0)
    assert (lease.mapped, lease.problem) == (None, "the router refuses a mapping (pcp result 2)")


def test_a_router_that_restarted_is_noticed_by_its_epoch() -> None:
    router, lease = Router(), Lease("10.1.0.2", 8443, NONCE, 0.0)
    now = run(lease, router.answer, 0.0, LIFETIME)
    assert lease.lost == 0
    router.begun = now
    run(lease, router.answer, now, LIFETIME)
    assert lease.lost == 1
    assert lease.mapped is not None


def test_a_renewal_that_is_lost_is_tried_again_and_a_mapping_that_ran_out_is_none() -> None:
    router, lease = Router(), Lease("10.1.0.2", 8443, NONCE, 0.0)
    now = run(lease, router.answer, 0.0, LIFETIME / 2 - 1)
    now = run(lease, lambda _message, _now: None, now, LIFETIME / 4)
    assert lease.mapped is not None
    now = run(lease, lambda _message, _now: None, now, LIFETIME)
    assert lease.mapped is None
    run(lease, router.answer, now, 2 * REST_SECONDS)
    assert lease.mapped is not None


def test_answers_to_somebody_else_and_nonsense_change_nothing() -> None:
    lease = Lease("10.1.0.2", 8443, NONCE, 0.0)
    foreign = Router().answer(pcp_request("10.1.0.2", bytes(12), 8443, 0, LIFETIME), 0.0)
    other_port = Router().answer(pcp_request("10.1.0.2", NONCE, 9999, 0, LIFETIME), 0.0)
    assert foreign is not None
    assert other_port is not None
    for message in (foreign, other_port, b"", bytes(100), b"\x02\x81" + bytes(6)):
        lease.handle_answer(message, 0.1)
        assert lease.mapped is None


def test_a_router_that_gives_a_second_is_not_asked_every_second() -> None:
    router, lease = Router(lifetime=1), Lease("10.1.0.2", 8443, NONCE, 0.0)
    run(lease, router.answer, 0.0, 600.0)
    assert len(router.asked) <= 41
