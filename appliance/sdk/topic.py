"""A topic of the network: what a program publishes in it, all programs get that are subscribed to it then, each at most once.

    async with client.topic("news") as topic:
        await topic.publish(b"hello")
        async for message in topic: print(message.peer, message.data)

Who published a message is proved by the author's signature, whichever members passed it on. A topic keeps nothing: who comes
later has missed what was said before.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from appliance.control.feed import Missed, Waiting
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.sdk.deadlines import within
from appliance.sdk.errors import NodeGone, SDKError
from appliance.sdk.resilience.retrying import Backoff

if TYPE_CHECKING:
    from appliance.sdk.base import Base
    from appliance.sdk.node import Following

log = get_logger("sdk")

MOST_BYTES: Final = 8000
"""Of one message."""
MOST_UNREAD: Final = 1024
MOST_UNREAD_BYTES: Final = 4 << 20
"""Messages that wait for the program, and their bytes; beyond that the oldest are missed."""
MOST_REMEMBERED: Final = 1024
"""Ids of messages: a node that was restarted may have from others what this program had already."""
AGAIN: Final = Backoff(0.25, 5.0)
"""A node that is restarted is back after a second or two."""
SLOWER: Final = Backoff(0.05, 0.5)
"""When the node says that it is too much."""
TOO_MUCH: Final = "TopicsBusy"
"""The code with which it says so."""


class TopicMessage(NamedTuple):
    """Something that was published."""

    peer: str
    """The author's name, by the word of this host's node; "" if it has none now."""
    data: bytes
    topic: str
    id: str
    """The same everywhere in the network."""
    identity: str
    """The author's: its fingerprint."""
    written: int
    """Unix seconds, by the author's clock."""


class Topic:
    """Made by `Client.topic` or `Mesh.topic`. `async with` subscribes; `publish` needs no subscription."""

    def __init__(self, client: Base, name: str) -> None:
        self.name = name
        self.missed = 0
        """Messages that were lost because this program took them too slowly."""
        self.interrupted = 0
        """How often the node of this host was away. What was said meanwhile did not come."""
        self._client = client
        self._waiting = Waiting(MOST_UNREAD, MOST_UNREAD_BYTES)
        self._subscribed = False
        self._had: OrderedDict[str, None] = OrderedDict()
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        await self.subscribe()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.unsubscribe()

    async def subscribe(self) -> None:
        """What is published from now on comes. When the node of this host is restarted, the topic is subscribed to anew. Raises
        SDKError."""
        async with within(self._client.config.deadline_s, f"subscribing to {self.name}"):
            following = await self._begun()
        self._waiting = Waiting(MOST_UNREAD, MOST_UNREAD_BYTES)
        self._subscribed = True
        self._tasks.spawn(self._hear(following), f"topic {self.name}")

    async def unsubscribe(self) -> None:
        """No more comes. Safe to call twice; whoever receives gets the end, after what came before."""
        self._subscribed = False
        await self._tasks.close()
        self._waiting.put(SDKError(f"topic {self.name} is not subscribed to", hint="subscribe to it"))

    async def publish(self, data: bytes, *, deadline: float | None = None) -> str:
        """Tell all who are subscribed now; returns the message's id. That is no receipt. Tried again while the node says that it
        is too much, for `deadline` seconds (`deadline_s` without it). Raises SDKError; ValueError for more than 8,000 bytes."""
        if len(data) > MOST_BYTES:
            raise ValueError(f"a message has at most {MOST_BYTES} bytes")
        asked = {"topic": self.name, "data": base64.b64encode(data).decode()}
        around, failed = self._client.around, 0
        async with within(self._client.config.deadline_s if deadline is None else deadline, f"publishing to {self.name}"):
            while True:
                try:
                    return str((await self._client.ask("publish", asked))["id"])
                except SDKError as error:
                    if error.code != TOO_MUCH:  # of others it is not known whether it was published
                        raise
                failed += 1
                await around.sleep(SLOWER.wait(failed, around.chance))

    async def receive(self) -> TopicMessage:
        """The next message. Raises SDKError when the topic is not subscribed to any more, or the node has no topics."""
        while True:
            item = await self._waiting.take()
            if isinstance(item, TopicMessage):
                return item
            if isinstance(item, Missed):
                self.missed += item.number
            else:
                self._waiting.put(item)  # it is over for whoever asks again, too
                raise item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TopicMessage:
        try:
            return await self.receive()
        except SDKError:
            if self._subscribed:
                raise
            raise StopAsyncIteration from None

    # ---- parts ----

    async def _begun(self) -> Following:
        following = await self._client.follow("subscribe", {"topics": [self.name]})
        try:
            await following.next()  # it is subscribed
        except BaseException:
            following.close()
            raise
        return following

    async def _hear(self, following: Following) -> None:
        while True:
            try:
                await self._heard(following)
            except SDKError as error:
                if not _comes_back(error):
                    self._waiting.put(error)
                    return
            self.interrupted += 1
            try:
                following = await self._begun_anew()
            except SDKError as error:
                self._waiting.put(error)
                return

    async def _heard(self, following: Following) -> None:
        """All that comes, whether the program takes it or not: behind what nobody takes, everything else would wait."""
        lost = 0
        try:
            while (told := await following.next()) is not None:
                self.missed += following.lost - lost
                lost = following.lost
                with suppress(KeyError, ValueError, TypeError):  # an item of a later version
                    self._put(_message(told.value))
        finally:
            following.close()

    def _put(self, message: TopicMessage) -> None:
        if message.id in self._had:
            return
        self._had[message.id] = None
        if len(self._had) > MOST_REMEMBERED:
            self._had.popitem(last=False)
        self._waiting.put(message, len(message.data))

    async def _begun_anew(self) -> Following:
        around, failed = self._client.around, 0
        while True:
            failed += 1
            await around.sleep(AGAIN.wait(failed, around.chance))
            try:
                return await self._begun()
            except SDKError as error:
                log.debug("a topic is not subscribed to for a while", topic=self.name, reason=error.message)
                if not _comes_back(error):
                    raise


def _message(told: Any) -> TopicMessage:
    data = base64.b64decode(told["data"])
    return TopicMessage(told["peer"], data, told["topic"], told["id"], told["identity"], told["written"])


def _comes_back(error: SDKError) -> bool:
    return error.retryable or isinstance(error, NodeGone)
