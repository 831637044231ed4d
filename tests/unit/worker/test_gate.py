"""The worker's gate: what a flood of handshake packets may make it pass on, and that the real ones get through beside it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from appliance.protocol.admission import CALM_SECONDS, PREFIX_SHARE
from appliance.protocol.connecting import PADDED_BYTES
from appliance.protocol.cookies import AMPLIFICATION, Cookies
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Initiator, Policy, Pq
from appliance.testing.pair import identity_of
from appliance.wire import hello
from appliance.wire.envelope import FLAG_COOKIE, HEADER_BYTES, PacketType, no_session, pack, unpack
from appliance.wire.fragments import split
from appliance.worker.gate import HINTS_PER_SECOND, MOST_REMEMBERED, PACKETS, Gate

SHARED, CONNECTED, STREAM = 1, 2, 3
RATE = 200
SECRET = bytes(range(32))
FAR = ("203.0.113.9", 4000)
RANDOM = Random(3)
CLIENT = Initiator(
    Policy(Pq.REQUIRED, (1,)), 77, identity_of("a"), identity_of("b").fingerprint, RANDOM.randbytes, KeyAgreement()
).hello


class Link:
    def __init__(self, *, stream: bool = False) -> None:
        self.fragment_flags = 0 if stream else 0x04
        self.sent: list[tuple[bytes, object]] = []

    def send_packet(self, packet: bytes, to: object) -> None:
        self.sent.append((packet, to))


class Rig:
    def __init__(self, rate: int = RATE) -> None:
        self.drops: Counter[str] = Counter()
        self.gate = Gate(lambda reason: self.drops.update([reason]))
        self.gate.configure(SECRET, rate, 0.0)
        self.links: dict[int, Any] = {SHARED: Link(), CONNECTED: Link(), STREAM: Link(stream=True)}
        for connected in (CONNECTED, STREAM):
            self.gate.add(connected, FAR)

    def gives(self, packets: list[bytes], source: object = FAR, now: float = 0.0, link: int = SHARED) -> list[bool]:
        source = source if link == SHARED else None
        return [self.gate.passes(link, self.links[link], source, packet, now) for packet in packets]  # type: ignore[arg-type]

    def floods(self, count: int = 1000, now: float = 0.0) -> int:
        """First fragments from many places; how many passed."""
        first = hello_packets()[0]
        return sum(self.gives([first], (f"10.{n >> 8}.{n & 255}.1", 1), now) == [True] for n in range(count))


def hello_packets(cookie: bytes = b"", number: int = 1) -> list[bytes]:
    body = hello.encode_client_hello(CLIENT, cookie, PADDED_BYTES)
    return split(PacketType.HANDSHAKE_INIT, 0, 0, number, 0, body, 1400)


def finish_packets(index: int = 5) -> list[bytes]:
    return split(PacketType.HANDSHAKE_INIT, 0, index << 8, 2, 0, bytes(7331), 1400)


def test_while_all_is_quiet_everything_passes_without_a_cookie() -> None:
    rig = Rig()
    assert all(rig.gives(hello_packets()) + rig.gives(finish_packets()))
    assert not rig.drops


def test_before_it_is_told_a_secret_everything_passes() -> None:
    gate, link = Gate(lambda reason: None), Link()
    assert all(gate.passes(SHARED, link, FAR, hello_packets()[0], 0.0) for _ in range(10_000))  # type: ignore[arg-type]


def test_a_flood_is_answered_with_cookies_and_passes_no_more_than_a_burst() -> None:
    rig = Rig()
    assert rig.floods(10_000) == RATE // 2
    assert len(rig.links[SHARED].sent) == 10_000 - RATE // 2
    assert rig.floods(1000, now=1.0) == 0, "it lasts, though there were tokens again"
    assert rig.floods(50, now=1.0 + CALM_SECONDS + 0.1) == 50, "it is over"


def test_who_returns_its_cookie_gets_through_the_flood() -> None:
    rig = Rig()
    rig.floods()
    sent = len(rig.links[SHARED].sent)
    assert rig.gives(hello_packets()) == [False] * len(hello_packets())
    [(reply, to)] = rig.links[SHARED].sent[sent:]
    assert to == FAR
    assert len(reply) <= AMPLIFICATION * len(hello_packets()[0])
    fields = unpack(reply)
    assert fields is not None
    assert fields[1:4] == (PacketType.HANDSHAKE_RESPONSE, FLAG_COOKIE, CLIENT.session_index << 8)
    cookie = hello.decode_cookie_reply(reply[HEADER_BYTES:], CLIENT.random)
    assert Cookies(SECRET).check(cookie, FAR, 0.0)
    assert all(rig.gives(hello_packets(cookie, 2)))
    assert rig.gives(hello_packets(cookie, 2), ("203.0.113.9", 4001)) == [False] * 3
    assert rig.gives(hello_packets(bytes(32), 2), ("203.0.113.10", 4000)) == [False] * 3
    assert rig.gives(finish_packets()) == [False] * 6, "nobody spoke to it yet"
    rig.gate.spoke(SHARED, FAR)
    assert all(rig.gives(finish_packets()))


def test_the_control_process_may_want_cookies_from_all() -> None:
    rig = Rig()
    rig.gate.want_cookies(wanted=True)
    assert not any(rig.gives(hello_packets()))
    rig.gate.want_cookies(wanted=False)
    assert all(rig.gives(hello_packets()))


def test_a_cookie_is_for_the_far_end_of_a_connected_link() -> None:
    rig = Rig()
    rig.gate.want_cookies(wanted=True)
    assert all(rig.gives(hello_packets(Cookies(SECRET).make(FAR, 0.0)), link=CONNECTED))
    assert not any(rig.gives(hello_packets(Cookies(SECRET).make(("203.0.113.9", 1), 0.0), 2), link=CONNECTED))
    assert all(rig.gives(finish_packets(), link=CONNECTED)), "the kernel takes nothing there from anybody else"


@pytest.mark.parametrize("kind", ["finish", "answer", "late piece", "lost session", "garbage hello"])
def test_no_other_packet_passes_a_flood_either(kind: str) -> None:
    packets = {
        "finish": finish_packets()[0],
        "answer": pack(PacketType.HANDSHAKE_RESPONSE, 0, 77 << 8, 0, 0, 0),
        "late piece": hello_packets()[1],
        "lost session": no_session(5 << 8, 0),
        "garbage hello": pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 5) + bytes(5),
    }
    rig = Rig()
    passed = sum(
        rig.gives([packets[kind]], (f"10.{n >> 8 & 255}.{n & 255}.1", 1), now=n / 10_000) == [True] for n in range(50_000)
    )
    assert passed <= RATE * PACKETS
    if kind == "lost session":
        assert passed <= 6 * HINTS_PER_SECOND
    assert sum(rig.drops.values()) == 50_000 - passed
    assert all(rig.gives(hello_packets(Cookies(SECRET).make(FAR, 5.0)), now=5.0)), "beside it the real one passes"


def test_one_prefix_with_cookies_cannot_use_up_the_budget_of_all() -> None:
    rig = Rig()
    source = ("198.51.100.1", 9)
    packet = hello_packets(Cookies(SECRET).make(source, 0.0))[0]
    assert sum(sum(rig.gives([packet], source)) for _ in range(20_000)) == RATE * PACKETS // PREFIX_SHARE
    assert rig.drops["control_busy"] == 20_000 - RATE * PACKETS // PREFIX_SHARE
    assert all(rig.gives(hello_packets(Cookies(SECRET).make(FAR, 0.0))))


def test_a_stream_needs_no_cookie_but_has_its_share() -> None:
    rig = Rig()
    rig.gate.want_cookies(wanted=True)
    packet = pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 100) + bytes(100)
    assert sum(sum(rig.gives([packet], link=STREAM)) for _ in range(20_000)) == RATE * PACKETS // PREFIX_SHARE


def test_a_flood_costs_no_memory() -> None:
    rig = Rig(rate=1_000_000)
    cookies = Cookies(SECRET)
    for n in range(2 * MOST_REMEMBERED):
        source = (f"10.{n >> 8}.{n & 255}.1", 1)
        rig.gate.spoke(SHARED, source)
        rig.gives([hello_packets(cookies.make(source, 0.0))[0]], source)
    assert len(rig.gate._spoken_to) == len(rig.gate._begun) == MOST_REMEMBERED
