"""Topics of real nodes in virtual time: what a program of one host publishes, programs of the others read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from appliance.api.management import Refused
from appliance.api.peer_protocol import PeerProtocolKind
from appliance.knowledge.dht.jobs import Finished
from appliance.members.network import digest_of_text
from appliance.runtime.knowledge.around import Around
from appliance.runtime.knowledge.readers import TURNS, Message, TopicsBusy
from appliance.runtime.knowledge.topic_providers import key_of
from appliance.runtime.knowledge.topics import Topics
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import NOW, certificate, grants

PLACES = {name: f"198.51.100.{number}" for number, name in enumerate("abcdef", 1)}


class Node:
    """One with topics, and what its programs have read."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._readers: list[ExitStack] = []

    async def join(self, meshed: Meshed, name: str, first: str | None = None) -> Node:
        statements = [certificate(each, grants=grants(f"10.7.0.{number}")) for number, each in enumerate(PLACES, 1)]
        known = [] if first is None else [(first, PLACES[first])]
        self.host: MeshedHost = await meshed.add(name, PLACES[name], *statements, first=known, more=self.kinds)
        return self

    def kinds(self, runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
        self.around = Around(runtime.mesh, runtime.gossip)
        self.topics = Topics(self.around)
        NODES.append(self)
        return self.topics.kinds()

    def read(self, *topics: str) -> ExitStack:
        """Have a program that reads; what is given ends it."""
        stack = ExitStack()
        self._readers.append(stack)
        messages = stack.enter_context(self.topics.reading("local 0", topics))
        task = asyncio.get_running_loop().create_task(self._read(messages))
        stack.callback(task.cancel)
        return stack

    async def close(self) -> None:
        """Its programs end, and the part."""
        for reader in self._readers:
            reader.close()
        await self.topics.close()

    async def _read(self, messages: AsyncGenerator[Any, None]) -> None:
        async with aclosing(messages):
            async for message in messages:
                self.heard.append(message)


NODES: list[Node] = []


def told(story: Callable[[Meshed], Awaitable[None]], folder: Path) -> None:
    """Tell a story, and end what its nodes have."""

    async def whole(meshed: Meshed) -> None:
        try:
            await story(meshed)
        finally:
            while NODES:
                await NODES.pop().close()

    run(whole, folder)


async def grown(meshed: Meshed, names: str = "abcde") -> list[Node]:
    """Nodes that all know the first."""
    nodes = [await Node().join(meshed, name, names[0] if name != names[0] else None) for name in names]
    await meshed.until(lambda: all(node.host.connected() for node in nodes), 120.0)
    return nodes


def test_all_who_read_a_topic_hear_it_once_and_nobody_else_does(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c, d, e = await grown(meshed)
        for node in (a, b, c, d):
            node.read("news")
        e.read("weather")
        await meshed.pause(5.0)
        ident = e.topics.publish("local 0", "news", b"hello")
        await meshed.until(lambda: all(node.heard for node in (a, b, c, d)), 60.0)
        await meshed.pause(20.0)
        heard = Message("news", "e", identity_of("e").fingerprint, ident, a.heard[0].written, b"hello")
        assert [node.heard for node in (a, b, c, d)] == [[heard]] * 4
        assert e.heard == []
        [described] = a.topics.described()
        assert described["members"] == 3
        assert {each["peer"] for each in described["mesh"]} == {"b", "c", "d"}
        assert all(each["score"] >= 0 for each in described["mesh"])

    told(story, tmp_path)


def test_programs_of_one_host_hear_each_other_and_the_last_that_ends_ends_the_subscription(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        [a] = await grown_alone(meshed)
        first, second = a.read("news"), a.read("news", "weather")
        await meshed.pause(1.0)
        a.topics.publish("local 0", "news", b"1")
        await meshed.until(lambda: len(a.heard) == 2)
        assert {(message.peer, message.data) for message in a.heard} == {("a", b"1")}
        assert a.topics.described() == [
            {"topic": "news", "readers": 2, "members": 0, "mesh": []},
            {"topic": "weather", "readers": 1, "members": 0, "mesh": []},
        ]
        first.close()
        assert list(a.topics.status()["topics"]) == ["news", "weather"]
        second.close()
        assert a.topics.status()["topics"] == {}
        assert not any(each["subscribed"] for each in a.topics.machine.topics().values())

    told(story, tmp_path)


def test_a_node_whose_topics_end_tells_its_readers_and_lets_its_sessions_go(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        [a] = await grown_alone(meshed)
        with a.topics.reading("local 0", ["news"]) as messages:
            a.topics.publish("local 0", "news", b"last")
            await a.topics.close()
            assert (await anext(messages)).data == b"last"
            with pytest.raises(Refused, match="no topics any more"):
                await anext(messages)
        assert a.topics.status()["readers"] == 0

    told(story, tmp_path)


def test_who_is_no_member_is_told_so(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        node = Node()
        node.host = await meshed.add("a", PLACES["a"], more=node.kinds)
        with pytest.raises(Refused, match="no certificate"):
            node.topics.publish("local 0", "news", b"hello")

    told(story, tmp_path)


def test_a_user_that_publishes_too_fast_is_slowed_down_and_takes_nothing_from_another(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        [a] = await grown_alone(meshed)
        for _ in range(int(TURNS.at_once)):
            a.topics.publish("local 1000", "news", b"spam")
        with pytest.raises(TopicsBusy, match="40 messages"):
            a.topics.publish("local 1000", "news", b"spam")
        a.topics.publish("local 0", "news", b"mine")
        await meshed.pause(1.0)
        a.topics.publish("local 1000", "news", b"later")
        assert a.topics.status()["figures"]["too-fast"] == 1

    told(story, tmp_path)


async def grown_alone(meshed: Meshed) -> list[Node]:
    return [await Node().join(meshed, "a")]


def test_a_member_that_floods_costs_the_others_little_and_silences_nobody(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        *others, d, e = await grown(meshed)
        for node in (*others, d):
            node.read("news")
        await meshed.pause(5.0)
        for number in range(10_000):
            e.topics.machine.publish("news", b"spam %d" % number, meshed.network.now, NOW + meshed.network.now)
            if number % 100 == 0:
                await meshed.pause(0.01)
        d.topics.publish("local 0", "news", b"honest")
        await meshed.until(lambda: all(heard_from(node, "d") == [b"honest"] for node in others), 60.0)
        for node in others:
            assert len(heard_from(node, "e")) < 10_000
            assert node.topics.machine.figures()["kept-bytes"] <= 4 << 20

    told(story, tmp_path)


def heard_from(node: Node, author: str) -> list[bytes]:
    return [message.data for message in node.heard if isinstance(message, Message) and message.peer == author]


def test_programs_do_not_read_what_a_member_says_that_is_blocked_here(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c = await grown(meshed, "abc")
        for node in (a, b, c):
            node.read("news")
        await meshed.pause(5.0)
        b.around.judged.blocked = {digest_of_text(identity_of("a").fingerprint)}
        a.topics.publish("local 0", "news", b"from a")
        c.topics.publish("local 0", "news", b"from c")
        await meshed.until(lambda: b"from a" in [each.data for each in c.heard] and b.heard)
        await meshed.pause(2.0)
        assert [message.data for message in b.heard] == [b"from c"]

    told(story, tmp_path)


def test_a_topic_in_which_a_node_is_alone_is_looked_up_in_the_hash_table(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        [a] = await grown_alone(meshed)
        asked: list[bytes] = []

        class Table:
            async def provide(self, key: bytes, _seconds: float) -> Finished:
                asked.append(key)
                return Finished(1, ok=True)

            async def providers(self, _key: bytes) -> Finished:
                return Finished(2, ok=False)

        a.around.shared.providers = Table()
        await a.topics.start()
        a.read("news")
        await meshed.until(lambda: bool(asked), 120.0)
        assert asked == [key_of("news")]

    told(story, tmp_path)


def test_a_member_that_the_node_doubts_is_left_out_of_meshes(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b = await grown(meshed, "ab")
        a.around.judged.doubts = {digest_of_text(identity_of("b").fingerprint)}.__contains__
        for node in (a, b):
            node.read("news")
        await meshed.pause(30.0)
        [described] = a.topics.described()
        assert described["members"] == 1
        assert described["mesh"] == []

    told(story, tmp_path)
