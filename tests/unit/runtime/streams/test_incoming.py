"""Callers at the door of streams: who they are, what they want, and what becomes of those who misbehave."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from appliance.control.handing import Handed
from appliance.management.tracing.span import Span
from appliance.protocol.identity import PREFIX
from appliance.runtime.management.spans import NodeSpans
from appliance.runtime.peers.table import PeerEntry, PeerTable
from appliance.runtime.streams.callers import Caller
from appliance.runtime.streams.incoming import MOST_OF_A_PEER, Incoming
from appliance.runtime.streams.served import MOST_WAITING, Served
from appliance.wire.stream_preface import HEAD_BYTES, StreamRefusal, Wanted, encode_wanted, read_answer

OWN = ipaddress.ip_address("10.8.0.1")
LAPTOP = ipaddress.ip_address("10.8.0.2")
BEHIND = ipaddress.ip_address("10.9.0.7")
NOBODY = ipaddress.ip_address("10.77.0.1")


def entry(name: str, prefix: str) -> PeerEntry:
    return PeerEntry(name, f"{PREFIX}{name:a<51}a".replace("1", "a"), allowed=(ipaddress.ip_network(prefix),))


class Door:
    """A door with one service, and those who knock."""

    def __init__(self) -> None:
        self.services = {"echo": Served("echo", 0)}
        self.counted: Counter[str] = Counter()
        self.denied: dict[str, str] = {}
        table = PeerTable([entry("laptop", "10.8.0.2/32"), entry("hub", "10.9.0.0/24")], [OWN])
        self.incoming = Incoming(table, lambda: [OWN], self.services, lambda: self.judge, self.counted)
        self.callers: list[socket.socket] = []

    def judge(self, caller: Caller, service: str) -> str:
        return self.denied.get(f"{caller.peer} {service}", "")

    def knock(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address = LAPTOP) -> socket.socket:
        ours, theirs = socket.socketpair(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.callers.append(theirs)
        self.incoming.take(ours, (address, 4000))
        return theirs

    async def ended(self) -> None:
        """Until all who knocked have been heard."""
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "a caller of a stream"))

    async def given(self) -> Handed:
        stream = await anext(self.services["echo"].items())
        self.callers += stream.sockets
        return stream


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    for caller in made.callers:
        caller.close()


async def answer(caller: socket.socket) -> StreamRefusal | None:
    said = b""
    while piece := await asyncio.get_running_loop().sock_recv(caller, 4096):
        said += piece
        if len(said) >= HEAD_BYTES and len(said) >= HEAD_BYTES + int.from_bytes(said[:HEAD_BYTES], "big"):
            break
    return read_answer(said[HEAD_BYTES:])


@pytest.mark.parametrize(("address", "peer", "behind"), [(LAPTOP, "laptop", False), (BEHIND, "hub", True), (OWN, "", False)])
async def test_a_caller_is_who_its_address_says(door: Door, address: ipaddress.IPv4Address, peer: str, behind: bool) -> None:
    caller = door.knock(address)
    caller.send(encode_wanted(Wanted("echo", {"a": "b"})) + b"and what follows")
    assert await answer(caller) is None
    stream = await door.given()
    assert (stream.value["peer"], stream.value["behind"], stream.value["metadata"]) == (peer, behind, {"a": "b"})
    assert stream.sockets[0].recv(100) == b"and what follows", "not a byte more than the preface was read"
    assert door.counted == {"given": 1}


async def test_letting_a_caller_in_is_a_step_of_its_trace_and_so_is_turning_it_away(door: Door) -> None:
    spans = NodeSpans()
    door.incoming._trace = spans.stream
    following = spans.follow()
    await anext(following)
    door.denied = {"laptop nothing": "policy"}
    for service in ("nothing", "echo"):
        caller = door.knock()
        caller.send(encode_wanted(Wanted(service, {}, f"00-{'a' * 32}-{'b' * 16}-01")))
        await answer(caller)
    stream = await door.given()
    turned_away, let_in = map(Span.of, (await anext(following))["spans"])
    assert stream.value["traceparent"] == f"00-{'a' * 32}-{let_in.span}-01"
    assert (let_in.name, let_in.parent, let_in.error) == ("serve echo", "b" * 16, "")
    assert let_in.attributes == {"appliance.service": "echo", "appliance.peer": "laptop"}
    assert (turned_away.name, turned_away.error) == ("serve nothing", "policy")
    await following.aclose()


async def test_an_address_of_nobody_is_not_listened_to(door: Door) -> None:
    assert await asyncio.get_running_loop().sock_recv(door.knock(NOBODY), 1) == b""
    assert door.counted == {"unknown-address": 1}


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0", b"\0\x02[]", b"\0\x05hello", b'\0\x10{"service": "A"}'])
async def test_garbage_is_refused_and_counted(door: Door, said: bytes) -> None:
    caller = door.knock()
    caller.send(said)
    assert await answer(caller) is StreamRefusal.MALFORMED
    assert door.counted == {"malformed": 1}


async def test_who_may_not_have_a_service_is_not_told_whether_there_is_one(door: Door) -> None:
    door.denied = {"laptop echo": "policy", "laptop nothing": "policy"}
    for service in ("echo", "nothing"):
        caller = door.knock()
        caller.send(encode_wanted(Wanted(service)))
        assert await answer(caller) is StreamRefusal.NOT_ALLOWED
    assert door.counted == {"policy": 2}


async def test_a_service_that_takes_nothing_has_so_many_waiting(door: Door) -> None:
    for _ in range(MOST_WAITING):
        door.services["echo"].put(Handed(None, ()))
    caller = door.knock()
    caller.send(encode_wanted(Wanted("echo")))
    assert await answer(caller) is StreamRefusal.BUSY
    assert door.counted == {"service-busy": 1}


async def test_one_peer_does_not_take_the_places_of_others(door: Door) -> None:
    for _ in range(MOST_OF_A_PEER + 5):
        door.knock()
    assert door.counted == {"peer-busy": 5}
    other = door.knock(BEHIND)
    other.send(encode_wanted(Wanted("echo")))
    assert await answer(other) is None
    await door.incoming.close()
    assert door.callers[0].recv(1) == b"", "who said nothing is turned away at the end"


async def test_who_hangs_up_within_its_preface_leaves_nothing(door: Door) -> None:
    caller = door.knock()
    caller.send(encode_wanted(Wanted("echo"))[:5])
    caller.close()
    await door.ended()
    assert door.counted == {"gone": 1}
