"""Two servers of one network: peers of one reach those of the other, and who is nowhere is told as that."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from appliance.testing.api_parts import FakeNetwork, FakeServerServices
from appliance_server_signalling import elsewhere, messages
from appliance_server_signalling.server import SignallingServer, opened
from appliance_server_signalling.settings import SignallingSettings

SDP = "v=0\r\n"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "PACE", 0.001)
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(elsewhere, "MISSED_SECONDS", 0.0)


class Member:
    """A server, and its place in the network."""

    def __init__(self, server: SignallingServer, services: FakeServerServices, port: int) -> None:
        self.server = server
        self.services = services
        self.port = port

    @asynccontextmanager
    async def peer(self, name: str) -> AsyncIterator[ClientConnection]:
        async with connect(f"ws://127.0.0.1:{self.port}/p2p-signaling", compression=None) as peer:
            await say(peer, type="register", id=name)
            assert (await hear(peer))["type"] == "registered"
            yield peer


@asynccontextmanager
async def member(network: FakeNetwork | None, identity: str = "llp1:x") -> AsyncIterator[Member]:
    services = FakeServerServices()
    if network is not None:
        services.join(network, identity)
    async with opened(SignallingSettings.model_validate({"messages": 1000}), services) as server:
        listener = await asyncio.get_running_loop().create_server(server.connection, "127.0.0.1", 0)
        async with asyncio.timeout(60):
            yield Member(server, services, listener.sockets[0].getsockname()[1])
        listener.close()
    assert not services.failures
    await services.close()


async def say(peer: ClientConnection, **message: Any) -> None:
    await peer.send(json.dumps(message))


async def hear(peer: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await peer.recv())
    return told


async def announced(network: FakeNetwork, **wanted: list[str]) -> None:
    def now() -> dict[str, list[str]]:
        return {key.removeprefix(elsewhere.KEY): who for key, who in network.having.items() if who}

    while now() != wanted:  # noqa: ASYNC110  nobody tells when
        await asyncio.sleep(0.001)


async def test_a_peer_at_another_member_is_found_called_and_answers() -> None:
    network = FakeNetwork()
    async with member(network, "one") as one, member(network, "two") as two, one.peer("alice") as alice, two.peer("bob") as bob:
        await announced(network, alice=["one"], bob=["two"])
        await say(alice, type="discover", id="bob")
        assert await hear(alice) == {"type": "peers", "peers": ["bob"]}
        await say(alice, type="offer", to="bob", sdp=SDP, session="1")
        for number in range(20):
            await say(alice, type="candidate", to="bob", candidate={"candidate": str(number), "sdpMid": "0"})
        assert await hear(bob) == {"type": "offer", "from": "alice", "sdp": SDP, "session": "1"}
        for number in range(20):
            told = await hear(bob)
            assert told == {"type": "candidate", "from": "alice", "candidate": {"candidate": str(number), "sdpMid": "0"}}
        await say(bob, type="answer", to="alice", sdp=SDP)
        assert await hear(alice) == {"type": "answer", "from": "bob", "sdp": SDP}
        assert one.server.stats()["sent_elsewhere"] == 21


def longest_description() -> str:
    """As a browser makes it for a call of a group: each track has names and numbers of its own."""
    chance = random.Random(1)
    tracks = (
        f"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:{number}\r\na=ice-ufrag:{chance.getrandbits(24):x}\r\n"
        f"a=msid:{chance.getrandbits(128):032x} {chance.getrandbits(128):032x}\r\na=ssrc:{chance.getrandbits(32)} cname:x\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\n"
        for number in range(100)
    )
    return "".join(tracks)[: messages.LONGEST_SDP]


async def test_the_longest_description_reaches_a_peer_at_another_member() -> None:
    network, sdp = FakeNetwork(), longest_description()
    async with member(network, "one") as one, member(network, "two") as two, one.peer("alice") as alice, two.peer("bob") as bob:
        await announced(network, alice=["one"], bob=["two"])
        await say(alice, type="offer", to="bob", sdp=sdp)
        assert await hear(bob) == {"type": "offer", "from": "alice", "sdp": sdp}
        await say(alice, type="offer", to="bob", sdp=random.Random(1).randbytes(15_000).hex())
        assert (await hear(alice))["code"] == "unknown_peer", "nothing makes that short"


async def test_who_went_is_announced_no_more_and_told_as_unknown() -> None:
    network = FakeNetwork()
    async with member(network, "one") as one, member(network, "two") as two, one.peer("alice") as alice:
        async with two.peer("bob"):
            await announced(network, alice=["one"], bob=["two"])
            await say(alice, type="discover", id="bob")
            await hear(alice)  # it is remembered where he is
        await announced(network, alice=["one"])
        await say(alice, type="offer", to="bob", sdp=SDP)
        assert (await hear(alice))["code"] == "unknown_peer", "the other member says so"
        await say(alice, type="discover", id="bob")
        assert await hear(alice) == {"type": "peers", "peers": []}


async def test_a_member_that_does_not_answer_has_no_peers() -> None:
    network = FakeNetwork()
    async with member(network, "one") as one, one.peer("alice") as alice:
        network.having[elsewhere.KEY + "bob"] = ["gone", "gone too"]
        await say(alice, type="offer", to="bob", sdp=SDP)
        assert (await hear(alice))["code"] == "unknown_peer"


async def test_without_a_network_there_are_those_who_are_here() -> None:
    async with member(None) as one, one.peer("alice") as alice, one.peer("bob") as bob:
        await say(alice, type="offer", to="carol", sdp=SDP)
        assert (await hear(alice))["code"] == "unknown_peer"
        await say(alice, type="offer", to="bob", sdp=SDP)
        assert (await hear(bob))["type"] == "offer"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"[]", b"{}", b'{"to":"alice"}', b'{"to":"alice","message":{"type":"registered","id":"x"}}',
        b'{"to":"alice","message":{"type":"offer","from":"bob","sdp":"x","more":1}}', b'{"to":"nobody","absent":"bob"}',
        b'{"to":"alice","message":{"type":"offer","from":"b b","sdp":"x"}}', b"[" * 12_000,
        zlib.compress(b'{"to":"alice",' + b" " * 5_000_000), zlib.compress(b"{}") + b"more", zlib.compress(b"{}" * 4000)[:-1],
    ],
)  # fmt: skip
async def test_letters_that_are_none_harm_nobody(content: bytes) -> None:
    network = FakeNetwork()
    async with member(network, "one") as one, one.peer("alice") as alice:
        network.letters["one"].put_nowait(("evil", content))
        network.letters["one"].put_nowait(("two", b'{"to":"alice","message":{"type":"answer","from":"bob","sdp":"x"}}'))
        assert await hear(alice) == {"type": "answer", "from": "bob", "sdp": "x"}


async def test_of_many_peers_some_are_announced_and_others_in_their_place_when_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MOST_ANNOUNCED", 1)
    network = FakeNetwork()
    async with member(network, "one") as one:
        async with one.peer("alice"):
            await announced(network, alice=["one"])
            async with one.peer("bob"):
                pass
        await announced(network)
        async with one.peer("carol"):
            await announced(network, carol=["one"])


async def test_who_had_to_wait_is_announced_when_another_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MOST_ANNOUNCED", 1)
    network = FakeNetwork()
    async with member(network, "one") as one, one.peer("alice") as alice:
        await announced(network, alice=["one"])
        async with one.peer("bob"):
            while one.server.elsewhere._changed:  # noqa: ASYNC110  nobody tells when
                await asyncio.sleep(0.001)
            await alice.close()
            await announced(network, bob=["one"])


async def test_what_is_announced_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "RENEW_SECONDS", 0.0)
    network = FakeNetwork()
    async with member(network, "one") as one, one.peer("alice"):
        await announced(network, alice=["one"])
        network.having.clear()
        await announced(network, alice=["one"])


async def test_who_is_asked_for_by_too_many_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MOST_SOUGHT", 0)
    network = FakeNetwork()
    async with member(network, "one") as one, member(network, "two") as two, one.peer("alice") as alice, two.peer("bob"):
        await announced(network, alice=["one"], bob=["two"])
        await say(alice, type="offer", to="bob", sdp=SDP)
        assert (await hear(alice))["code"] == "unknown_peer"
        assert one.server.stats()["not_sought"] == 1
