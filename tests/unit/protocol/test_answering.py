"""The called side under strangers: what it sends, what it keeps and what it costs."""

from __future__ import annotations

from random import Random

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.answering import ANSWER_SECONDS, CROWDED_ANSWERS, MAX_ANSWERS
from appliance.protocol.connecting import PADDED_BYTES
from appliance.protocol.cookies import AMPLIFICATION
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Initiator, Policy, Pq
from appliance.protocol.identity import Identity
from appliance.protocol.node import Node
from appliance.protocol.pressure import Grade
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SUITES
from appliance.wire import hello
from appliance.wire.envelope import FLAG_COOKIE, HEADER_BYTES, PacketType, pack, unpack
from appliance.wire.fragments import split

LISTENER = 1
HERE = Endpoint("udp", "203.0.113.2", 8443)
RANDOM = Random(7)
Source = tuple[str, int]


def called_node(**settings: object) -> Node:
    peers = (PeerSettings("a", identity_of("a").fingerprint),)
    node = Node(
        NodeSettings(**settings),  # type: ignore[arg-type]
        identity_of("b"),
        SUITES,
        now=0.0,
        entropy=RANDOM.randbytes,
        peers=peers,
    )
    node.handle_link(LISTENER, None, HERE, None, datagram=True, now=0.0, listener=True)
    return node


def calling(name: str = "a") -> Initiator:
    return Initiator(
        Policy(Pq.REQUIRED, (1,)),
        RANDOM.randrange(1, 1 << 24),
        identity_of(name),
        identity_of("b").fingerprint,
        RANDOM.randbytes,
        KeyAgreement(),
    )


CLIENT = calling()


def hello_packets(client: Initiator = CLIENT, cookie: bytes = b"", number: int = 1, datagram_bytes: int = 1400) -> list[bytes]:
    body = hello.encode_client_hello(client.hello, cookie, PADDED_BYTES)
    return split(PacketType.HANDSHAKE_INIT, 0, 0, number, 0, body, datagram_bytes)


def give(node: Node, packets: list[bytes], source: Source, now: float = 0.0) -> list[bytes]:
    for packet in packets:
        node.handle_packet(LISTENER, source, packet, now)
    out = []
    while (transmit := node.poll_transmit()) is not None:
        assert (transmit.link, transmit.to) == (LISTENER, source)
        out.append(transmit.packet)
    return out


def is_cookie(packets: list[bytes]) -> bool:
    return len(packets) == 1 and bool(packets[0][3] & FLAG_COOKIE)


@pytest.mark.parametrize("theirs", [548, 1400, 1472])
def test_an_answer_is_at_most_three_times_the_hello(theirs: int) -> None:
    node = called_node()
    packets = hello_packets(datagram_bytes=theirs)
    received = sum(map(len, packets))
    sent = sum(map(len, give(node, packets, ("198.51.100.1", 1))))
    assert 0 < sent <= AMPLIFICATION * received


@pytest.mark.parametrize("pad_to", [0, 2000, 2900])
def test_a_hello_too_short_gets_no_answer(pad_to: int) -> None:
    node = called_node()
    body = hello.encode_client_hello(CLIENT.hello, b"", pad_to)
    assert give(node, split(PacketType.HANDSHAKE_INIT, 0, 0, 1, 0, body, 1400), ("198.51.100.1", 1)) == []
    assert node.counters["amplification-refused"] == 1


def test_repeating_a_hello_earns_its_answers() -> None:
    node, source = called_node(), ("198.51.100.1", 1)
    packets = hello_packets()
    received, sent = 0, 0
    for turn in range(20):
        now = turn * 0.2
        chosen = packets if turn % 3 else packets[-1:]
        received += sum(map(len, chosen))
        sent += sum(map(len, give(node, chosen, source, now)))
        assert sent <= AMPLIFICATION * received
    assert node.counters["answered"] == 1
    assert node.counters["answered-again"] > 5


def test_a_crowd_is_asked_for_cookies_before_any_work() -> None:
    node = called_node(handshakes_per_second=10_000)
    for number in range(CROWDED_ANSWERS):
        give(node, hello_packets(number=number), ("198.51.100.1", 1 + number))
    assert node.pending == CROWDED_ANSWERS
    source = ("203.0.113.77", 5)
    first, *rest = hello_packets()
    reply = give(node, [first], source)
    assert is_cookie(reply)
    assert len(reply[0]) <= AMPLIFICATION * len(first)
    assert give(node, rest, source) == []
    assert node.counters["cookie-needed"] == len(rest)
    assert node.counters["answered"] == CROWDED_ANSWERS
    cookie = hello.decode_cookie_reply(reply[0][HEADER_BYTES:], CLIENT.hello.random)
    assert unpack(reply[0])[3] == CLIENT.hello.session_index << 8  # type: ignore[index]
    assert len(give(node, hello_packets(cookie=cookie, number=2), source)) > 1
    assert is_cookie(give(node, hello_packets(cookie=cookie, number=2), ("203.0.113.77", 6)))
    assert is_cookie(give(node, hello_packets(cookie=bytes(32), number=2), ("203.0.113.78", 5)))


def test_a_flood_of_hellos_turns_cookies_on() -> None:
    node = called_node(handshakes_per_second=20)
    replies = [give(node, hello_packets(number=n), (f"198.51.{n}.1", 1)) for n in range(20)]
    assert [is_cookie(reply) for reply in replies] == [False] * 10 + [True] * 10


def test_while_the_host_is_short_cookies_are_on() -> None:
    node = called_node(handshakes_per_second=200)
    node.run_short(Grade.STRAINED)
    assert node.crowded, "workers want them too"
    reply = give(node, hello_packets(number=1), ("198.51.100.1", 1))
    assert is_cookie(reply)
    cookie = hello.decode_cookie_reply(reply[0][HEADER_BYTES:], CLIENT.hello.random)
    assert len(give(node, hello_packets(cookie=cookie, number=2), ("198.51.100.1", 1))) > 1, "whoever returns it is answered"
    node.run_short(Grade.WELL)
    assert not is_cookie(give(node, hello_packets(number=3), ("198.51.101.1", 1)))


def test_one_prefix_cannot_take_all_handshakes() -> None:
    node = called_node(handshakes_per_second=200)
    for number in range(60):
        give(node, hello_packets(number=number), ("198.51.100.1", 1 + number))
    assert node.counters["answered"] == 50
    assert node.counters["rate-limited"] == 10
    assert len(give(node, hello_packets(), ("203.0.113.1", 1))) > 1


def test_unfinished_handshakes_are_bounded_and_forgotten() -> None:
    node = called_node(handshakes_per_second=1_000_000)
    for number in range(MAX_ANSWERS + 10):
        source = (f"198.51.{number & 255}.1", 1 + number)
        reply = give(node, hello_packets(number=number), source)
        if is_cookie(reply):
            cookie = hello.decode_cookie_reply(reply[0][HEADER_BYTES:], CLIENT.hello.random)
            give(node, hello_packets(cookie=cookie, number=number | 1 << 20), source)
    assert node.pending == MAX_ANSWERS
    assert node.counters["crowded"] == 10
    node.handle_timeout(ANSWER_SECONDS)
    assert node.pending == 0
    assert node._shared.indexes == set()
    assert node._shared.links[LISTENER].users == set()


def test_a_proof_of_another_address_finishes_nothing() -> None:
    node, source = called_node(), ("198.51.100.1", 1)
    client = calling()
    answer = give(node, hello_packets(client), source)
    body = b"".join(packet[HEADER_BYTES:] for packet in answer)
    server = hello.decode_server_hello(body)
    sealed, _ = client.finish(server)
    third = split(PacketType.HANDSHAKE_INIT, 0, server.session_index << 8, 2, 0, sealed, 1400)
    give(node, third, ("198.51.100.1", 2))
    assert not node.sessions
    give(node, third, source)
    assert [session.peer for session in node.sessions.values()] == ["a"]


@pytest.mark.parametrize("deferring", [False, True])
def test_forged_proofs_neither_end_the_handshake_nor_prolong_it(deferring: bool) -> None:
    node, source, client = called_node(), ("198.51.100.1", 1), calling()
    server = answered(give(node, hello_packets(client), source))
    node._shared.deferring = deferring
    for number in range(100):
        give(node, finish_packets(server, bytes(7331), number), source, now=4.0)
    assert node.counters["not-authentic"] == 100
    give(node, finish_packets(server, client.finish(server)[0], 200), source, now=4.5)
    while node.handle_work(4.6):
        pass
    assert [session.peer for session in node.sessions.values()] == ["a"]
    assert node.poll_timeout() is not None
    late = called_node()
    server = answered(give(late, hello_packets(calling()), source))
    give(late, finish_packets(server, bytes(7331), 1), source, now=4.0)
    late.handle_timeout(ANSWER_SECONDS)
    assert late.pending == 0


class Impostor(Identity):
    """Shows one identity and signs with the keys of another."""

    def __init__(self, shown: Identity) -> None:
        self.public = shown.public

    def sign(self, message: bytes) -> bytes:
        return identity_of("c").sign(message)


@pytest.mark.parametrize("shown", ["a", "d"])
def test_a_known_name_without_its_keys_is_treated_as_a_stranger(shown: str) -> None:
    node, source = called_node(), ("198.51.100.1", 1)
    client = Initiator(
        Policy(Pq.REQUIRED, (1,)), 5, Impostor(identity_of(shown)), identity_of("b").fingerprint, RANDOM.randbytes, KeyAgreement()
    )
    server = answered(give(node, hello_packets(client), source))
    assert give(node, finish_packets(server, client.finish(server)[0]), source, now=0.5) == []
    assert (node.pending, len(node.sessions), node.counters["bad-signature"]) == (0, 0, 1)
    again = answered(give(node, hello_packets(client), source, now=1.0))
    assert again.session_index != server.session_index


def test_a_stranger_with_keys_of_its_own_looks_the_same_from_outside() -> None:
    node, source, client = called_node(), ("198.51.100.1", 1), calling("d")
    server = answered(give(node, hello_packets(client), source))
    assert give(node, finish_packets(server, client.finish(server)[0]), source, now=0.5) == []
    assert (node.pending, len(node.sessions), node.counters["unknown-identity"]) == (0, 0, 1)
    again = answered(give(node, hello_packets(client), source, now=1.0))
    assert again.session_index != server.session_index


def answered(packets: list[bytes]) -> hello.ServerHello:
    return hello.decode_server_hello(b"".join(packet[HEADER_BYTES:] for packet in packets))


def finish_packets(server: hello.ServerHello, sealed: bytes, number: int = 2) -> list[bytes]:
    return split(PacketType.HANDSHAKE_INIT, 0, server.session_index << 8, number, 0, sealed, 1400)


def test_sessions_are_limited() -> None:
    node = called_node(max_sessions=0)
    client, source = calling(), ("198.51.100.1", 1)
    server = hello.decode_server_hello(b"".join(p[HEADER_BYTES:] for p in give(node, hello_packets(client), source)))
    sealed, _ = client.finish(server)
    give(node, split(PacketType.HANDSHAKE_INIT, 0, server.session_index << 8, 2, 0, sealed, 1400), source)
    assert node.counters["session-limit"] == 1
    assert not node.sessions
    assert node.pending == 0


def test_json_is_for_streams() -> None:
    node = called_node()
    packet = pack(PacketType.HANDSHAKE_INIT, 0x40, 0, 0, 0, 2) + b"{}"
    give(node, [packet], ("198.51.100.1", 1))
    assert node.counters["malformed"] == 1
