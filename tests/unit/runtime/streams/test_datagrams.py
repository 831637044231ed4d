"""Callers by datagrams: what comes twice, and what is left of those who have gone."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter

from appliance.management.tracing.span import Span
from appliance.protocol.identity import PREFIX
from appliance.runtime.management.spans import NodeSpans
from appliance.runtime.peers.table import Address, PeerEntry, PeerTable
from appliance.runtime.streams.datagrams import IncomingDatagrams
from appliance.runtime.streams.served import Served
from appliance.runtime.streams.sockets import Heard, Hearing, Listening, Source, Taken
from appliance.wire.stream_preface import Wanted, encode_answer, encode_wanted

OWN = ipaddress.ip_address("10.8.0.1")
LAPTOP = ipaddress.ip_address("10.8.0.2")


class Pairs:
    """Sockets of an overlay, as pairs; `callers` are the other ends of those that answer."""

    def __init__(self) -> None:
        self.callers: list[socket.socket] = []
        self.heard: Heard | None = None

    async def connect(self, to: Address, port: int, *, datagrams: bool = False) -> socket.socket:
        raise OSError

    def listen(self, port: int, taken: Taken) -> Listening:
        raise OSError

    def hear(self, port: int, heard: Heard) -> Hearing:
        self.heard = heard
        return self

    def send(self, data: bytes, at: Address, to: Source) -> None: ...

    def close(self) -> None: ...

    def answering(self, at: Address, port: int, to: Source) -> socket.socket:
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.callers.append(theirs)
        return ours


async def test_a_question_that_comes_twice_at_once_is_one_caller() -> None:
    sockets, services, counted = Pairs(), {"time": Served("time", 0)}, Counter[str]()
    table = PeerTable([PeerEntry("laptop", f"{PREFIX}{'a' * 52}", allowed=(ipaddress.ip_network("10.8.0.2/32"),))], [OWN])
    spans = NodeSpans()
    incoming = IncomingDatagrams(sockets, 842, table, lambda: [OWN], services, lambda: lambda _c, _s: "", counted, spans.stream)
    following = spans.follow()
    await anext(following)
    incoming.open()
    assert sockets.heard is not None
    for _ in range(40):  # more than callers of a peer may wait
        sockets.heard(encode_wanted(Wanted("time", {}, f"00-{'a' * 32}-{'b' * 16}-01")), OWN, (LAPTOP, 4000))
    [caller] = sockets.callers
    assert caller.recv(100) == encode_answer(None)
    caller.send(b"now?")
    stream = await anext(services["time"].items())
    assert stream.sockets[0].recv(100) == b"now?"
    assert counted == {"given": 1}
    [step] = map(Span.of, (await anext(following))["spans"])
    assert stream.value["traceparent"] == f"00-{'a' * 32}-{step.span}-01"
    await following.aclose()
    incoming.close()
    for each in (caller, *stream.sockets):
        each.close()
