"""A group of applications on members of the network that send messages to each other, each to each, over streams.

    async with client.mesh("chat") as mesh:
        await mesh.broadcast(b"hello")
        async for message in mesh: print(message.peer, message.data)

Each has a stream *to* each other one, and sends on that only; who is there is known by the service `mesh.NAME` in the members'
rows, by the streams that come in, and by the names that the program gives. Messages of one peer come in order; a message may be
lost when the stream it was on is lost. Who is silent for three heartbeats is gone.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from appliance.control.feed import Feed, Missed
from appliance.errors import PeerFault
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.sdk.callbacks import Callback, called
from appliance.sdk.errors import SDKError, UnknownPeer
from appliance.sdk.mesh_frames import HEAD_BYTES, Kind, frame, head_of
from appliance.sdk.resilience.retrying import Backoff
from appliance.sdk.service import Service

if TYPE_CHECKING:
    from appliance.sdk.base import Base
    from appliance.sdk.connection import Connection
    from appliance.sdk.offering import Offering
    from appliance.sdk.topic import Topic

log = get_logger("sdk")

PREFIX: Final = "mesh."
SILENT_HEARTBEATS: Final = 3
MOST_UNREAD: Final = 256
MOST_UNREAD_BYTES: Final = 16 << 20
"""Messages that wait for the program, and their bytes; until it takes some, nothing more is read, and senders wait."""


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """How a mesh behaves. Seconds end in `_s`."""

    peers: Sequence[str] = ()
    """Names of peers to try besides those that the rows tell of: for nodes without a network."""
    heartbeat_s: float = 5.0
    look_s: float = 2.0
    """Between two looks who else is there."""
    send_s: float = 5.0
    """How long sending one message to one peer may take; then that peer's stream is made anew."""
    most_peers: int = 256
    """Streams that come in beyond that are refused."""


class Message(NamedTuple):
    """Something that a peer sent."""

    peer: str
    """The sender's name, by the word of this host's node."""
    data: bytes


class Presence(NamedTuple):
    """A peer came or went."""

    peer: str
    here: bool
    why: str = ""
    """Why it went."""


class Delivery(NamedTuple):
    """What became of a message to all."""

    sent: tuple[str, ...]
    """Peers whose stream took it. That is no receipt."""
    failed: Mapping[str, SDKError]


class _Way:
    """The stream to one peer."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._turn = asyncio.Lock()

    async def send(self, frame: bytes, seconds: float) -> None:
        """Raises SDKError; the stream is of no use then, since half a frame may be on it."""
        async with self._turn:
            try:
                self.connection.set_write_deadline(seconds)
                await self.connection.write(frame)
            except BaseException:
                self.connection.reset()
                raise


class Mesh:
    """Made by `Client.mesh`; `join` or `async with` begins."""

    def __init__(
        self,
        client: Base,
        name: str,
        config: MeshConfig,
        on_join: Callback[str] | None = None,
        on_leave: Callback[str] | None = None,
    ) -> None:
        self.name = name
        self.counted: Counter[str] = Counter()
        """Messages "sent" and "received", and what went wrong, by reason."""
        self._config = config
        self._client = client
        self._service = Service(client, f"{PREFIX}{name}")
        self._backoff = Backoff(0.1, 10.0)
        self._on_join, self._on_leave = on_join, on_leave
        self._offering: Offering | None = None
        self._ways: dict[str, _Way] = {}
        self._from: dict[str, Connection] = {}
        self._seen: set[str] = set()
        """Peers that called us, or were told by rows."""
        self._reaching: set[str] = set()
        self._inbox: deque[Message] = deque()
        self._unread_bytes = 0
        self._news = asyncio.Condition()
        """Something has come, was taken, or it is over."""
        self._feed = Feed()
        self._look_now = asyncio.Event()
        self._tasks = Tasks()
        self._callbacks = Tasks()
        self._left = False

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.leave()

    # ---- being there ----

    async def join(self) -> None:
        """Be found, and find the others. Raises SDKError, ServiceTaken if another application of this host is in it."""
        self._offering = await self._service.register()
        self._tasks.spawn(self._take_callers(self._offering), f"callers of mesh {self.name}")
        self._tasks.spawn(self._keep_looking(), f"peers of mesh {self.name}")
        self._tasks.spawn(self._keep_beating(), f"heartbeat of mesh {self.name}")

    async def leave(self) -> None:
        """Tell the others, and close all streams. Safe to call twice; whoever receives gets the end."""
        if self._left:
            return
        self._left = True
        await self._to_all(frame(Kind.LEAVING), 1.0)
        await self._tasks.close()
        if self._offering is not None:
            await self._offering.close()
        for connection in (*(way.connection for way in self._ways.values()), *self._from.values()):
            await connection.close()
        self._ways.clear()
        self._from.clear()
        async with self._news:
            self._news.notify_all()
        await self._callbacks.settle()
        await self._callbacks.close()

    def peers(self) -> tuple[str, ...]:
        """The names of those who are there now, in order: there is a stream to each."""
        return tuple(sorted(self._ways))

    async def presence(self) -> AsyncGenerator[Presence, None]:
        """Each that is there, and then who comes and goes. Use `contextlib.aclosing`."""
        async with aclosing(self._feed.follow(lambda: None)) as items:
            here: set[str] = set()
            async for item in items:
                if item is None or isinstance(item, Missed):  # the beginning, or too much happened: what is there now counts
                    now = set(self._ways)
                    for peer in sorted(now ^ here):
                        yield Presence(peer, here=peer in now)
                    here = now
                elif (item.peer in here) is not item.here:
                    here ^= {item.peer}
                    yield item

    def topic(self, name: str) -> Topic:
        """A topic of this mesh: what is published in it goes from member to member, and reaches programs that no stream of ours
        does. In the network it is called MESH/NAME."""
        from appliance.sdk.topic import Topic

        return Topic(self._client, f"{self.name}/{name}")

    # ---- messages ----

    async def send(self, to: str, data: bytes) -> None:
        """To one peer. Returns when its stream has taken it, which is no receipt. Raises UnknownPeer if it is not there, SDKError
        if it does not take it in `send_s`, ValueError for more than a mebibyte."""
        framed, way = frame(Kind.MESSAGE, data), self._ways.get(to)
        if way is None:
            raise UnknownPeer(f"{to} is not in mesh {self.name} now", hint=f"there are: {', '.join(self.peers()) or 'none'}")
        await self._sent(to, way, framed, self._config.send_s)
        self.counted["sent"] += 1

    async def broadcast(self, data: bytes) -> Delivery:
        """To all that are there, at the same time; one that does not take it holds up none of the others, and this call for
        `send_s`. Raises ValueError for more than a mebibyte."""
        delivery = await self._to_all(frame(Kind.MESSAGE, data), self._config.send_s)
        self.counted["sent"] += len(delivery.sent)
        return delivery

    async def receive(self) -> Message:
        """The next message. Raises SDKError when this program has left."""
        async with self._news:
            await self._news.wait_for(lambda: self._inbox or self._left)
            if not self._inbox:
                raise SDKError(f"mesh {self.name} was left", hint="join it again")
            message = self._inbox.popleft()
            self._unread_bytes -= len(message.data)
            self._news.notify_all()
            return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except SDKError:
            raise StopAsyncIteration from None

    async def _to_all(self, framed: bytes, seconds: float) -> Delivery:
        ways = dict(sorted(self._ways.items()))
        ended = await asyncio.gather(
            *(self._sent(peer, way, framed, seconds) for peer, way in ways.items()), return_exceptions=True
        )
        failed = {peer: error for peer, error in zip(ways, ended, strict=True) if isinstance(error, SDKError)}
        return Delivery(tuple(peer for peer in ways if peer not in failed), failed)

    async def _sent(self, peer: str, way: _Way, framed: bytes, seconds: float) -> None:
        try:
            await way.send(framed, seconds)
        except SDKError as error:
            self._lose(peer, way, error.message)
            raise

    # ---- streams to the others ----

    async def _keep_looking(self) -> None:
        while True:
            with suppress(SDKError):  # the node is away for a moment; those who are there stay there
                instances = await self._service.discover(fresh=True)
                self._seen |= {instance.node for instance in instances if not instance.own}
            for peer in (*self._seen, *self._config.peers):
                if peer not in self._ways and peer not in self._reaching:
                    self._reaching.add(peer)
                    self._tasks.spawn(self._reach(peer), f"reach {peer} of mesh {self.name}")
            self._look_now.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.look_s):
                    await self._look_now.wait()

    async def _reach(self, peer: str) -> None:
        """Make the stream to it; tried again for as long as it is named somewhere."""
        try:
            for failed in range(1, 6):
                try:
                    connection = await self._client.open_stream(peer, self._service.name, None, self._config.send_s)
                except SDKError as error:
                    self.counted[error.code] += 1
                    if not error.retryable:
                        break
                    await asyncio.sleep(self._backoff.wait(failed, self._client.around.chance))
                else:
                    self._have(peer, _Way(connection))
                    return
            self._seen.discard(peer)  # rows, or its own call, will name it again
        finally:
            self._reaching.discard(peer)

    def _have(self, peer: str, way: _Way) -> None:
        self._ways[peer] = way
        self._feed.say(Presence(peer, here=True))
        self._tasks.spawn(self._watch(peer, way), f"the stream to {peer} of mesh {self.name}")
        called(self._on_join, peer, self._callbacks)

    async def _watch(self, peer: str, way: _Way) -> None:
        """Nothing comes on a stream to a peer but its end."""
        why = "it closed the stream"
        try:
            if await way.connection.read(1):
                why = "it speaks where it is to listen"
        except SDKError as error:
            why = error.message
        self._lose(peer, way, why)

    def _lose(self, peer: str, way: _Way, why: str) -> None:
        if self._ways.get(peer) is not way:
            return
        del self._ways[peer]
        way.connection.reset()
        log.debug("a peer of a mesh has gone", mesh=self.name, peer=peer, reason=why)
        self._feed.say(Presence(peer, here=False, why=why))
        called(self._on_leave, peer, self._callbacks)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self._config.heartbeat_s)
            await self._to_all(frame(Kind.ALIVE), self._config.heartbeat_s)

    # ---- streams from the others ----

    async def _take_callers(self, offering: Offering) -> None:
        async for connection in offering:
            if not connection.peer or connection.about.get("behind"):
                self.counted["no-member"] += 1  # whose word it would be is another's
            elif len(self._from) >= self._config.most_peers and connection.peer not in self._from:
                self.counted["too-many"] += 1
            else:
                before, self._from[connection.peer] = self._from.get(connection.peer), connection
                if before is not None:
                    before.reset()
                self._tasks.spawn(self._hear(connection), f"what {connection.peer} says in mesh {self.name}")
                continue
            connection.reset()

    async def _put(self, message: Message) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(self._inbox) < MOST_UNREAD and self._unread_bytes < MOST_UNREAD_BYTES)
            self._inbox.append(message)
            self._unread_bytes += len(message.data)
            self.counted["received"] += 1
            self._news.notify_all()

    async def _hear(self, connection: Connection) -> None:
        peer, why = connection.peer, "it closed its stream"
        self._seen.add(peer)
        self._look_now.set()
        try:
            while True:
                connection.set_read_deadline(self._config.heartbeat_s * SILENT_HEARTBEATS)
                head = head_of(await connection.readexactly(HEAD_BYTES))
                data = await connection.readexactly(head.length)
                if head.kind is Kind.LEAVING:
                    why = "it left"
                    self._seen.discard(peer)
                    break
                if head.kind is Kind.MESSAGE:
                    await self._put(Message(peer, data))
        except PeerFault:
            self.counted["malformed"] += 1
            why = "it sent what is no message"
        except SDKError as error:
            why = error.message
        finally:
            connection.reset()
            if self._from.get(peer) is connection:
                del self._from[peer]
                if (way := self._ways.get(peer)) is not None:
                    self._lose(peer, way, why)
