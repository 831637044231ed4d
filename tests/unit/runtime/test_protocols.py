"""Peer protocols between two simulated nodes: told in order, answered, limited, and none of their failures is the node's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from appliance.api.peer_protocol import (
    Answer,
    Limits,
    NotConnected,
    PeerProtocolKind,
    PeerProtocolServices,
    Refused,
    TimedOut,
    TooMuch,
)
from appliance.protocol.events import PeerConnected, PeerGone
from appliance.runtime.peers import protocols
from appliance.runtime.plugins import calls
from appliance.testing.network import Network
from appliance.testing.peer_protocol import PeerProtocolPair
from appliance.wire.control import ControlMessage, encode


class Settings(BaseModel):
    """What a talker is to do."""

    how: str = ""


class Talker:
    """Notes what it is told, and answers with what it was asked."""

    def __init__(self, settings: Settings | None, services: PeerProtocolServices) -> None:
        self.how = settings.how if settings is not None else ""
        if self.how == "does-not-open":
            raise OSError("no room")
        self.services = services
        self.notes: list[Any] = []
        self.running = 0
        self.most = 0

    def on_connected(self, peer: str) -> None:
        self.notes.append(f"+{peer}")

    def on_gone(self, peer: str) -> None:
        self.notes.append(f"-{peer}")

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        if self.how == "raises":
            raise KeyError("message")
        self._repeat(content)
        if self.how == "blocks":
            time.sleep(1000)
        self.notes.append((peer, kind, content, body))

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._answer(kind, content, body)
        finally:
            self.running -= 1

    def _repeat(self, content: Mapping[str, Any]) -> None:
        if self.how == "repeats":
            raise ValueError(content["secret"])
        if self.how == "exits-with":
            raise SystemExit(content["secret"])

    async def _answer(self, kind: str, content: Mapping[str, Any], body: bytes) -> Any:
        self._repeat(content)
        match self.how:
            case "raises":
                raise KeyError("request")
            case "exits":
                raise SystemExit(3)
            case "refuses":
                return None
            case "answers-nonsense":
                return {"is": 1}
            case "answers-too-much":
                return Answer({}, bytes(20_000))
            case "waits":
                await self.services.sleep(5.0)
            case "never":
                await asyncio.Event().wait()
        return Answer({"of": kind, **content}, body[::-1])


TALK = PeerProtocolKind("talk", lambda: Settings, Talker)


def talking(how: str = "", network: Network | None = None, kind: PeerProtocolKind = TALK, **nodes: Any) -> PeerProtocolPair:
    return PeerProtocolPair(kind, {}, {"how": how}, network, nodes)


async def test_a_message_is_handed_over() -> None:
    async with talking() as pair:
        pair.a.services.send("b", "hello", {"n": 1}, b"\0raw")
        await pair.pause(0.1)
        assert pair.b.notes == ["+a", ("a", "hello", {"n": 1}, b"\0raw")]
        assert pair.a.notes == ["+b"]
        assert pair.a.services.peers() == {"b"}
        assert pair.a.services.figures() == {"sent": 1}
    assert pair.failures == []


async def test_messages_come_in_order() -> None:
    async with talking() as pair:
        for number in range(40):
            pair.a.services.send("b", "hello", {"n": number})
        await pair.pause(0.1)
        assert [note[2]["n"] for note in pair.b.notes[1:]] == list(range(40))


async def test_a_request_is_answered() -> None:
    async with talking() as pair:
        assert await pair.run(pair.a.services.ask("b", "moon", {"n": 1}, b"abc")) == Answer({"of": "moon", "n": 1}, b"cba")


@pytest.mark.parametrize("seed", range(3))
async def test_requests_are_answered_where_records_are_lost(seed: int) -> None:
    async with talking(network=Network(seed, loss=0.3)) as pair:
        work = asyncio.gather(*(pair.a.services.ask("b", "moon", {"n": n}, within=60.0) for n in range(10)))
        answers = await pair.run(work)
        assert [answer.content["n"] for answer in answers] == list(range(10))


async def test_a_request_goes_on_over_new_keys() -> None:
    async with talking("waits", a={"rotate_after": 1.0}) as pair:
        session = pair.nodes["a"].host.sending["b"]
        answer = await pair.run(pair.a.services.ask("b", "moon"))
        assert answer.content == {"of": "moon"}
        assert pair.nodes["a"].host.sending["b"] != session


@pytest.mark.parametrize("lacking", ["on_connected", "on_gone", "on_message", "on_request"])
async def test_what_lacks_a_member_stops_nobody(lacking: str) -> None:
    class Lacking(Talker):
        def __getattribute__(self, name: str) -> Any:
            if name == lacking:
                raise AttributeError(name)
            return super().__getattribute__(name)

    async with talking(kind=TALK._replace(open=Lacking)) as pair:
        asked = asyncio.ensure_future(pair.a.services.ask("b", "moon"))
        pair.a.services.send("b", "hello")
        await pair.pause(1.0)
        assert asked.done()
        assert (asked.exception() is None) is (lacking != "on_request")
        await pair.part()
        assert {failure.split(" raised AttributeError at ")[0] for failure in pair.failures} == {
            f"plugin talk: protocol talk: {lacking}"
        }


@pytest.mark.parametrize("how", ["raises", "exits", "refuses", "answers-nonsense", "answers-too-much"])
async def test_a_request_that_cannot_be_answered_is_refused(how: str) -> None:
    async with talking(how) as pair:
        with pytest.raises(Refused, match="b has no answer"):
            await pair.run(pair.a.services.ask("b", "moon"))
        assert len(pair.failures) == (how != "refuses")
        assert all(failure.startswith("plugin talk: protocol talk: on_request ") for failure in pair.failures)
        pair.a.services.send("b", "hello")
        await pair.pause(0.1)
        assert how == "raises" or len(pair.b.notes) == 2, "it is told of what comes next"


async def test_a_handler_that_never_ends_is_refused_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "ANSWER_SECONDS", 0.05)
    async with talking("never") as pair:
        asked = asyncio.ensure_future(pair.a.services.ask("b", "moon", within=60.0))
        await pair.pause(0.1)
        while not pair.failures:  # noqa: ASYNC110  real time
            await asyncio.sleep(0.01)
        with pytest.raises(Refused):
            await pair.run(asked)
        assert "did not end within 0.05 s" in pair.failures[0]


async def test_where_nobody_speaks_it_there_is_no_answer() -> None:
    async with PeerProtocolPair(TALK, {}, None) as pair:
        with pytest.raises(TimedOut, match="b did not answer in time"):
            await pair.run(pair.a.services.ask("b", "moon"))
        assert pair.nodes["b"].host.node.counters["control-unknown"] == 4


async def test_who_asks_learns_that_the_peer_left() -> None:
    async with talking("waits") as pair:
        asked = asyncio.ensure_future(pair.a.services.ask("b", "moon"))
        await pair.pause(0.1)
        await pair.part()
        with pytest.raises(NotConnected, match="the last session with b ended"):
            await pair.run(asked)
        assert pair.a.notes == ["+b", "-b"]
        assert pair.a.services.peers() == frozenset()
        with pytest.raises(NotConnected, match="there is no session with b"):
            pair.a.services.send("b", "hello")
        with pytest.raises(NotConnected):
            await pair.a.services.ask("b", "hello")


async def test_who_does_not_want_the_answer_any_more_does_not_get_it() -> None:
    async with talking("waits") as pair:
        asked = asyncio.ensure_future(pair.a.services.ask("b", "moon"))
        await pair.pause(0.1)
        asked.cancel()
        await pair.pause(10.0)
        assert pair.nodes["a"].host.node.counters["control-late"] == 1


async def test_a_protocol_keeps_its_own_limits() -> None:
    kind = TALK._replace(limits=Limits(messages=5, requests=2))
    async with talking("waits", kind=kind) as pair:
        for _ in range(5):
            pair.a.services.send("b", "hello")
        with pytest.raises(TooMuch):
            pair.a.services.send("b", "hello")
        await pair.pause(1.0)
        asked = [asyncio.ensure_future(pair.a.services.ask("b", "moon")) for _ in range(2)]
        await pair.pause(0.1)
        with pytest.raises(TooMuch):
            await pair.a.services.ask("b", "moon")
        await pair.run(asyncio.gather(*asked))


@pytest.mark.parametrize(
    ("kind", "content", "body"),
    [
        ("Bad Kind", {}, b""),
        ("ok", {"x": object()}, b""),
        ("ok", {"x": float("inf")}, b""),
        ("ok", {"kind": 1}, b""),
        ("ok", {}, bytes(20_000)),
        ("ok", {}, 5),
    ],
)
async def test_what_cannot_be_sent_is_said_at_once(kind: str, content: dict[str, Any], body: bytes) -> None:
    async with talking() as pair:
        with pytest.raises(ValueError, match="a control message"):
            pair.a.services.send("b", kind, content, body)
        with pytest.raises(ValueError, match="a control message"):
            await pair.a.services.ask("b", kind, content, body)


async def test_so_many_requests_of_a_peer_are_answered_at_once_and_no_more() -> None:
    kind = TALK._replace(limits=Limits(messages=500, requests=100))
    async with talking("waits", kind=kind) as pair:
        work = asyncio.gather(*(pair.a.services.ask("b", "moon", within=60.0) for _ in range(20)))
        assert len(await pair.run(work)) == 20
        assert pair.b.most == protocols.MOST_OF_A_PEER


async def test_so_many_requests_of_all_are_answered_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "MOST_OF_A_PEER", 1000)
    kind = TALK._replace(limits=Limits(messages=500, requests=100))
    async with talking("waits", kind=kind) as pair:
        work = asyncio.gather(*(pair.a.services.ask("b", "moon", within=60.0) for _ in range(50)))
        assert len(await pair.run(work)) == 50
        assert pair.b.most == protocols.MOST_AT_ONCE


@pytest.mark.parametrize("how", ["repeats", "exits-with"])
async def test_what_a_peer_sent_is_not_in_what_is_told_of_a_failure(how: str) -> None:
    async with talking(how) as pair:
        for secret in ("one", "two"):
            pair.a.services.send("b", "hello", {"secret": secret})
            with pytest.raises(Refused):
                await pair.run(pair.a.services.ask("b", "hello", {"secret": secret}))
        places = set(pair.failures)
        assert {failure.split(" at ")[0].split()[-1] for failure in places} == {
            "ValueError" if how == "repeats" else "SystemExit"
        }
        assert len(places) == 2, "the same each time: a message, and a request"


@pytest.mark.parametrize("how", ["raises", "blocks"])
async def test_what_fails_at_a_message_is_named_and_stops_nobody(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "HELD_UP", 0.1)
    async with talking(how) as pair:
        for _ in range(3):
            pair.a.services.send("b", "hello")
        await pair.pause(0.1)
        assert "on_message " in pair.failures[0]
        assert len(pair.failures) == (3 if how == "raises" else 1), "what held up the node is not asked again"
        pair.nodes["b"].host.send("a", b"packet")
        await pair.pause(0.1)
        assert pair.nodes["a"].host.received == [("b", b"packet")]


async def test_one_that_does_not_open_is_named() -> None:
    async with talking("does-not-open") as pair:
        assert pair.b is None
        assert "no room" in pair.nodes["b"].protocols.problems["talk"]
        with pytest.raises(TimedOut):
            await pair.run(pair.a.services.ask("b", "moon"))
        await pair.nodes["b"].protocols.use({"nothing": {}})
        assert pair.nodes["b"].protocols.problems == {"nothing": "no enabled plugin offers the peer protocol 'nothing'"}


async def test_only_what_changed_is_opened_anew() -> None:
    async with talking() as pair:
        running, speaking = pair.nodes["b"].protocols, pair.b
        await running.use({"talk": {"how": ""}})
        assert pair.b is speaking
        await running.use({"talk": {"how": "refuses"}})
        await pair.pause(0.1)
        assert pair.b is not speaking
        assert pair.b.notes == ["+a"]
        await running.use({})
        assert pair.b is None
        assert speaking.services.figures() == {}
        with pytest.raises(ValueError, match="nobody speaks"):
            speaking.services.send("a", "hello")


async def test_what_still_waits_for_an_answer_ends_with_the_protocol() -> None:
    async with talking("waits") as pair:
        asked = asyncio.ensure_future(pair.a.services.ask("b", "moon"))
        await pair.pause(0.1)
        await pair.nodes["a"].protocols.use({})
        await asyncio.wait({asked})
        assert asked.cancelled()


async def test_a_flood_costs_its_budget_and_lets_others_have_their_turns() -> None:
    async with talking() as pair:
        message = encode(ControlMessage("talk.hello", {}))
        for _ in range(10_000):
            pair.nodes["b"].hear(message)
        await pair.pause(0.1)
        assert len(pair.b.notes) - 1 == Limits().waiting
        assert pair.nodes["b"].host.node.counters["control-flood"] == 10_000 - 2 * Limits().messages


async def test_a_peer_that_has_proved_nothing_is_there_for_those_alone_that_may_speak_with_it() -> None:
    first = TALK._replace(before_membership=True)
    for kind, told in ((TALK, []), (first, ["+c"])):
        async with talking(kind=kind) as pair:
            running = pair.nodes["b"].protocols
            running.hear(PeerConnected("c", proved=False))
            await pair.pause(0.1)
            assert pair.b.notes[1:] == told
            assert pair.b.services.peers() == {"a", *("c" for _ in told)}
            running.hear(PeerConnected("c", proved=True))
            running.hear(PeerGone("c"))
            await pair.pause(0.1)
            assert pair.b.notes[1:] == ["+c", "-c"]


async def test_what_waits_for_one_protocol_holds_up_no_other() -> None:
    order: list[str] = []

    class Noting(Talker):
        def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
            order.append(kind)

    kinds = {name: PeerProtocolKind(name, None, Noting) for name in ("talk", "other")}
    async with PeerProtocolPair(TALK, {}, None) as pair:
        node = pair.nodes["b"]
        both = protocols.PeerProtocols(kinds, node)
        node.host.listener = both.hear
        await both.use({name: {} for name in kinds})
        for kind in ["talk.many"] * 50 + ["other.one"]:
            node.hear(encode(ControlMessage(kind, {})))
        await asyncio.sleep(0)
        assert order[:2] == ["many", "one"]
        await both.close()


async def test_a_turn_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "TURN_SECONDS", 0.0)
    async with talking() as pair:
        rests: list[int] = []
        rest = protocols.PeerProtocols._rest

        def noted(self: protocols.PeerProtocols) -> None:
            rests.append(len(pair.b.notes))
            rest(self)

        monkeypatch.setattr(protocols.PeerProtocols, "_rest", noted)
        before = len(pair.b.notes)
        for _ in range(10):
            pair.nodes["b"].hear(encode(ControlMessage("talk.hello", {})))
        while len(rests) < 10:  # noqa: ASYNC110  many turns
            await asyncio.sleep(protocols.REST_SECONDS / 2)
        assert rests == list(range(before + 1, before + 11)), "others had a turn after each"
