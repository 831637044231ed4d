"""Others of a topic, from the hash table: a way beside hints, which the first eight members of a topic can have for themselves.

Who has too few peers of a topic says in the table that it provides the topic's key, and looks who else does: those who are alone
find each other there. Who has enough says nothing, so a topic costs its members little there, and an idle node one look-up in
half an hour for each topic in which it is alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from appliance.errors import ApplianceError
from appliance.knowledge.pubsub.node import PubSub
from appliance.runtime.knowledge.around import Providers, Shared

_PREFIX: Final = b"topic\0"
"""No key of a program begins so: those are texts without control characters."""
LOOK_SECONDS: Final = 15.0
"""Between two topics that are looked up, so that a node with 200 of them floods nobody."""
GRACE: Final = 30.0
"""Seconds for which a topic has too few peers before it is looked up: hints are quicker."""
FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 1800.0
"""Seconds between two look-ups of one topic; doubled each time."""
PROVIDE_SECONDS: Final = 2700.0
"""For so long a record says that this node subscribes: longer than a pause, and not so long that the table renews it."""


class _Next(NamedTuple):
    """When one topic is looked up, and the pause after that."""

    at: float
    pause: float


def key_of(topic: str) -> bytes:
    """Under which key its subscribers stand."""
    return _PREFIX + topic.encode("ascii")


class TopicProviders:
    """Of one node. `do`: have a verb of the machine done (`hosting.Hosted.do`)."""

    def __init__(
        self,
        shared: Shared,
        machine: PubSub,
        do: Callable[[Callable[[float, float], Any]], Any],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._shared = shared
        self._machine = machine
        self._do = do
        self._monotonic = monotonic
        self._sleep = sleep
        self._next: dict[str, _Next] = {}

    async def run(self) -> None:
        """One topic after the other, for as long as the node has topics."""
        while True:
            await self._sleep(LOOK_SECONDS)
            now = self._monotonic()
            lacking = self._machine.lacking(now)
            self._next = {topic: self._next.get(topic, _Next(now + GRACE, FIRST_PAUSE)) for topic in lacking}
            topic, due = min(self._next.items(), key=lambda item: item[1].at, default=("", None))
            table = self._shared.providers
            if due is None or due.at > now or table is None:
                continue
            self._next[topic] = _Next(now + due.pause, min(2 * due.pause, LONGEST_PAUSE))
            with suppress(ApplianceError):  # it is busy, full, or ends: next time
                await self._look_up(table, topic, subscribed=lacking[topic])

    async def _look_up(self, table: Providers, topic: str, *, subscribed: bool) -> None:
        if subscribed:
            await table.provide(key_of(topic), PROVIDE_SECONDS)
        found = (await table.providers(key_of(topic))).providers
        self._do(lambda now, _wall: self._machine.candidates(topic, found, now))
