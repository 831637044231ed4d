from __future__ import annotations

from random import Random

import pytest

from appliance.api.values import Endpoint
from appliance.errors import LocalFault
from appliance.protocol.events import LinkUnused, Refused
from appliance.protocol.node import Node
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.protocol.strangers import LEAST_SECONDS, MAX_STRANGER_LINKS, MOST_OF_A_PREFIX, STRANGER_SECONDS
from appliance.protocol.timers import Deadline
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SUITES
from appliance.wire.envelope import PacketType, pack
from appliance.wire.fragments import split

HERE = Endpoint("udp", "203.0.113.2", 8443)
SOURCE = ("198.51.100.1", 1)


def node(*peers: PeerSettings, **settings: object) -> Node:
    wanted = NodeSettings(**settings)  # type: ignore[arg-type]
    made = Node(wanted, identity_of("b"), SUITES, now=0.0, entropy=Random(1).randbytes, peers=peers)
    made.handle_link(1, None, HERE, None, datagram=True, now=0.0, listener=True)
    made.handle_link(2, None, HERE._replace(scheme="tcp"), None, datagram=False, now=0.0)
    return made


@pytest.mark.parametrize(
    ("link", "packet", "reason"),
    [
        (1, b"", "bad-header"),
        (1, bytes(24), "bad-header"),
        (1, b"\x4c\x32" + bytes(22), "version"),
        (9, pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 0), "unknown-link"),
        (1, pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 0), "malformed"),
        (1, pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 5), "malformed"),
        (1, pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 20000) + bytes(20000), "too-long"),
        (1, pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 9) + b"\x02" + bytes(8), "version"),
        (1, pack(PacketType.HANDSHAKE_INIT, 0, 7 << 8, 0, 0, 0), "unknown-index"),
        (1, pack(PacketType.HANDSHAKE_RESPONSE, 0, 7 << 8, 0, 0, 0), "unknown-index"),
        (1, pack(PacketType.DATA, 0, 0, 0, 0, 0), "unexpected"),
        (2, pack(PacketType.HANDSHAKE_INIT, 4, 0, 0, 0, 9) + bytes(9), "bad-fragment"),
        (2, pack(PacketType.HANDSHAKE_INIT, 0x40, 0, 0, 0, 2) + b"{}", "malformed"),
    ],
)
def test_bad_packets_are_counted_and_nothing_else(link: int, packet: bytes, reason: str) -> None:
    made = node()
    made.handle_packet(link, SOURCE if link == 1 else None, packet, 0.0)
    assert made.counters == {reason: 1}
    assert made.poll_transmit() is None
    event = made.poll_event()
    assert event == (Refused(None, "version") if reason == "version" else None)


def test_an_accepted_link_must_begin() -> None:
    made = node()
    made.handle_timeout(STRANGER_SECONDS)
    assert made.poll_event() == LinkUnused(2)


def test_accepted_links_without_a_handshake_are_bounded() -> None:
    made = node()
    for link in range(10, 10 + MAX_STRANGER_LINKS):
        made.handle_link(link, None, HERE, None, datagram=False, now=1.0)
    assert made.poll_event() == LinkUnused(2)
    assert made.poll_event() is None


def comes(made: Node, link: int, host: str, now: float) -> bool:
    if not made.may_come((host, 1), now):
        return False
    made.handle_link(link, None, HERE, Endpoint("tcp", host, 1), datagram=False, now=now)
    return True


def test_one_site_has_a_share_of_the_places_and_of_the_rate() -> None:
    made = node()
    assert [comes(made, 10 + n, "198.51.100.1", 1.0) for n in range(60)] == [True] * 50 + [False] * 10
    assert sum(comes(made, 100 + n, f"198.51.100.{n}", 2.0) for n in range(60)) == MOST_OF_A_PREFIX - 50
    assert made.counters["stranger-links"] == 10 + 60 - (MOST_OF_A_PREFIX - 50)
    assert comes(made, 200, "203.0.113.1", 2.0)
    made.handle_timeout(1.0 + STRANGER_SECONDS)
    assert comes(made, 201, "198.51.100.1", 1.0 + STRANGER_SECONDS)


def test_when_all_places_are_taken_by_newcomers_the_next_waits_a_second() -> None:
    made = node()
    for n in range(MAX_STRANGER_LINKS - 1):  # one is there from the start
        assert not made.full(0.5)
        assert comes(made, 10 + n, f"198.{n}.1.1", 0.5)
    assert made.full(0.9)
    assert not made.full(LEAST_SECONDS)
    assert comes(made, 999, "203.0.113.1", LEAST_SECONDS)
    assert [made.poll_event(), made.poll_event()] == [LinkUnused(2), None]


def test_unfinished_handshakes_are_bounded_as_the_settings_say() -> None:
    _, middle, _ = split(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, bytes(3000), 1400)

    def strangers_begin(made: Node) -> None:
        for stranger in range(200):
            made.handle_packet(1, ("198.51.100.1", stranger), middle, 0.0)

    made = node(reassembly_bytes=100_000)
    strangers_begin(made)
    assert 50_000 < made._reassembly.held_bytes <= 100_000
    made.update(NodeSettings(reassembly_bytes=20_000), 0.0)
    assert 0 < made._reassembly.held_bytes <= 20_000
    strangers_begin(made)
    assert made._reassembly.held_bytes <= 20_000


def test_calls_about_what_is_unknown_do_nothing() -> None:
    made = node()
    made.handle_link_closed(77, 0.0)
    made.handle_moved(5, 1, SOURCE, 0.0)
    made.handle_activity(5, 10, 0.0)
    made.handle_want("nobody", 0.0)
    made.handle_candidates("nobody", [], 0.0)
    made.handle_dial_failed("nobody", HERE, "refused", 0.0)
    assert made.poll_event() is None
    assert made.counters == {}


def test_somebody_is_woken_for_each_deadline() -> None:
    made = node()
    assert sorted([*made._of_index, *made._of_peer]) == sorted(Deadline)


def test_a_suite_that_does_not_exist_is_our_own_fault() -> None:
    with pytest.raises(LocalFault, match="rot13"):
        node(suites=("rot13",))


def test_ten_thousand_peers_cost_little() -> None:
    peers = tuple(PeerSettings(f"p{number}", f"llp1:{number}") for number in range(10_000))
    made = node(*peers)
    assert made.poll_timeout() == STRANGER_SECONDS
    assert len(made.peers) == 10_000
