"""A relay that does what it likes with what it carries, between whole nodes: what is sealed between the two ends contains it."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest
from rigs.packets import udp4
from rigs.relayed import SECONDS, Party, around_a_relay, cross
from rigs.workers import until

from appliance.api.peer_protocol import NOTHING, Answer
from appliance.foundation import clock
from appliance.protocol.admission import TokenBucket
from appliance.runtime.members.relays import serving, using
from appliance.runtime.workers.data_channels import channel_pair
from appliance.wire.envelope import PacketType, pack

Evil = Callable[[bytes, bool], Iterable[tuple[bytes, bool]]]
"""What becomes of a message that goes to the callee (True) or the caller: messages and where they go."""
Story = Callable[[Party, Party, Party, "Middle"], Awaitable[None]]


class Middle:
    """Stands between the two channels of each circuit of a relay, and does with each message what `evil` says."""

    def __init__(self) -> None:
        self.evil: Evil = lambda message, there: [(message, there)]
        self._ends: list[socket.socket] = []
        self._circuits: list[tuple[socket.socket, socket.socket]] = []

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """In the place of the pair that joins a circuit."""
        (one, caller), (other, callee) = channel_pair(), channel_pair()
        loop = asyncio.get_running_loop()
        for end, there in ((caller, True), (callee, False)):
            end.settimeout(0)
            loop.add_reader(end.fileno(), self._move, end, there, (caller, callee))
        self._ends += [caller, callee]
        self._circuits.append((caller, callee))
        return one, other

    def say(self, message: bytes, *, there: bool) -> None:
        """Send something of its own to the callee or the caller of the newest circuit."""
        with suppress(OSError):
            self._circuits[-1][there].send(message)

    def _move(self, end: socket.socket, there: bool, ends: tuple[socket.socket, socket.socket]) -> None:
        try:
            message = end.recv(70000)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            for each in ends:
                self._close(each)
            return
        for changed, way in self.evil(message, there):
            with suppress(OSError):
                ends[way].send(changed)

    def _close(self, end: socket.socket) -> None:
        if end.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(end.fileno())
            end.close()

    def close(self) -> None:
        for end in self._ends:
            self._close(end)


@contextmanager
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Middle]:
    middle = Middle()
    monkeypatch.setattr(serving, "channel_pair", middle.pair)
    try:
        yield middle
    finally:
        middle.close()


def told(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with in_the_middle(monkeypatch) as middle:
            async with asyncio.timeout(SECONDS), around_a_relay() as (a, r, b):
                await cross(a, b)
                await story(a, r, b, middle)

    asyncio.run(run())


async def sent(source: Party, target: Party, count: int) -> list[int]:
    """The marks of so many packets, each sent once, as they arrived; the last one is sent until it does."""
    loop, found = asyncio.get_running_loop(), []
    for mark in range(count):
        await loop.sock_sendall(source.applications[0], udp4(60, mark, source.inside, target.inside))
    last = udp4(60, count, source.inside, target.inside)
    while not found or found[-1] != count:
        await loop.sock_sendall(source.applications[0], last)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while not found or found[-1] != count:
                    found.append((await loop.sock_recv(target.applications[0], 70000))[-1])
    return found[:-1]


def test_what_is_dropped_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, _r: Party, b: Party, middle: Middle) -> None:
        numbers = itertools.count()
        middle.evil = lambda message, there: [(message, there)] if next(numbers) % 3 else []
        found = await sent(a, b, 100)
        assert found == sorted(set(found))
        middle.evil = lambda message, there: [(message, there)]
        await cross(a, b)

    told(story, monkeypatch)


def test_what_is_repeated_or_sent_back_arrives_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, _r: Party, b: Party, middle: Middle) -> None:
        before: list[bytes] = []

        def evil(message: bytes, there: bool) -> list[tuple[bytes, bool]]:
            before.append(message)
            return [(message, there), (message, there), (message, not there), *((old, there) for old in before[-20::5])]

        middle.evil = evil
        found = await sent(a, b, 100)
        assert len(found) == len(set(found))
        # How many depends on how packets were gathered; if all of them were, the copy comes behind what was found.
        await until(lambda: b.node.keeper.drops()["replayed"] > 0)
        middle.evil = lambda message, there: [(message, there)]
        await cross(a, b)
        assert a.way_to("B") == "relay"

    told(story, monkeypatch)


def test_what_is_changed_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, _r: Party, b: Party, middle: Middle) -> None:
        dice = random.Random(1)

        def evil(message: bytes, there: bool) -> list[tuple[bytes, bool]]:
            changed = bytearray(message)
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
            return [(bytes(changed), there), (message[: dice.randrange(1, len(message))], there), (message, there)]

        middle.evil = evil
        found = await sent(a, b, 200)
        assert found == sorted(set(found))
        drops = b.node.keeper.drops()
        assert drops["bad_tag"] > 0
        assert drops["malformed"] > 0
        assert "raised" not in drops

    told(story, monkeypatch)


def test_a_flood_of_handshakes_is_within_the_limits_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, r: Party, b: Party, middle: Middle) -> None:
        dice = random.Random(2)
        for number in range(3000):
            body = dice.randbytes(1200)
            middle.say(pack(PacketType.HANDSHAKE_INIT, 0, 0, number << 8, 0, len(body)) + body, there=True)
            if not number % 50:
                await asyncio.sleep(0)
        await cross(r, b)
        await cross(a, b)
        assert b.node.driver.node.pending < 64

    told(story, monkeypatch)


def test_a_relay_that_carries_nothing_any_more_is_noticed_by_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, _r: Party, b: Party, middle: Middle) -> None:
        middle.evil = lambda _message, _there: []
        counters = a.node.driver.node.counters
        packet = udp4(60, 1, a.inside, b.inside)
        while not counters["path-dead"]:
            with suppress(BlockingIOError):
                a.applications[0].send(packet)
            await asyncio.sleep(0.01)
        middle.evil = lambda message, there: [(message, there)]
        await cross(a, b)

    told(story, monkeypatch)


def test_a_relay_that_makes_callers_up_brings_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, r: Party, b: Party, _middle: Middle) -> None:
        async def offers(channel: int, **more: object) -> str:
            content = {"from": a.identity.fingerprint, "channel": channel, "circuit": f"{channel:016x}", "relays": 1} | more
            answer: Answer = await r.node.optional.relays.serving._services.ask("B", "incoming", content)
            return str(answer.content.get("because", "yes"))

        ours = r.identity.fingerprint > b.identity.fingerprint
        mine = range(101 if ours else 100, 256, 2)
        assert await offers(mine[0], **{"from": "llp1:" + "b" * 51 + "a"}) == "unknown-caller"
        assert await offers(mine[0], **{"from": r.identity.fingerprint}) == "circle"
        assert await offers(mine[0] + 1) == "malformed"
        assert await offers(mine[0], relays=0) == "malformed"
        monkeypatch.setattr(using, "MOST_INCOMING", 3)
        assert [await offers(channel) for channel in mine[:3]] == ["yes", "yes", "busy"]
        await cross(a, b)

    told(story, monkeypatch)


def test_a_relay_that_denies_its_circuits_loses_them_and_makes_them_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, r: Party, b: Party, _middle: Middle) -> None:
        desk = r.node.optional.relays.serving.desk
        monkeypatch.setattr(desk, "of", lambda _peer: [])
        counters = a.node.optional.relays.using.counters
        await until(lambda: counters["ended-forgotten"] > 0)
        monkeypatch.undo()
        await cross(a, b)

    told(story, monkeypatch)


def test_requests_of_a_user_are_answered_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, r: Party, b: Party, _middle: Middle) -> None:
        services = a.node.optional.relays.using._services
        said: list[str] = []
        bucket = TokenBucket(0.001, 5.0, clock.monotonic())
        monkeypatch.setitem(r.node.optional.relays.serving.desk._attempts, "A", bucket)
        for number in range(10):
            content = {
                "to": b.identity.fingerprint,
                "channel": 2 * (number % 100) + 2 + (a.identity.fingerprint > r.identity.fingerprint),
            }
            with suppress(Exception):
                said.append(str((await services.ask("R", "connect", content, within=5.0)).content.get("because", "yes")))
        assert set(said) <= {"yes", "too-fast", "channel-taken", "busy"}
        assert "too-fast" in said
        assert len(r.node.optional.relays.serving.desk) <= 1
        monkeypatch.undo()
        await cross(a, b)
        await cross(b, r)

    told(story, monkeypatch)


def test_circuits_that_nobody_has_are_closed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(a: Party, r: Party, b: Party, _middle: Middle) -> None:
        for source, target in ((a, "R"), (r, "A"), (r, "B"), (b, "R")):
            services = source.node.optional.relays.using._services
            for content in ({"circuit": "0" * 16, "because": "time"}, {"circuit": 7}, {}, {"circuit": "0" * 16, "because": []}):
                services.send(target, "close", content or NOTHING)
        await cross(a, b)
        assert len(r.node.optional.relays.serving.desk) == 1

    told(story, monkeypatch)
