"""Who of this host's programs reads which topic: streams that are bounded, so that none of them takes the place of another.

A reader that takes too slowly loses the oldest messages and is told how many; it delays nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from appliance.control.feed import Missed, Waiting
from appliance.errors import ApplianceError, ExitCode
from appliance.knowledge.pubsub.peers import MOST_TOPICS
from appliance.protocol.admission import TokenBucket

MOST_OF_A_READER: Final = 32
"""Topics of one reader."""
MOST_READERS: Final = 256
MOST_READERS_OF_A_CALLER: Final = 128
MOST_WAITING: Final = 256
MOST_WAITING_BYTES: Final = 256 << 10
"""What waits for one reader: all of them that never read hold 64 MiB at most, and as a rule the same messages."""


class Share(NamedTuple):
    """So much a second in the long run, and so much at once."""

    a_second: float
    at_once: float


TURNS: Final = Share(40.0, 150.0)
"""Messages and subscriptions of one caller."""
TURNS_OF_ALL: Final = Share(80.0, 300.0)
"""Of all together: below what others take of one author (`knowledge.pubsub.limits`), so that no program's messages are dropped on
their way."""
FRESH: Final = Share(2.0, 100.0)
"""Topics that a caller begins with: this node tells others that it reads them, or looks for somebody who does."""
FRESH_OF_ALL: Final = Share(4.0, 250.0)
"""Of all together: otherwise others would take what this node says about them for a flood, and leave all of it out."""
USED_SECONDS: Final = 60.0
"""For so long the network knows that this node publishes in a topic (`knowledge.pubsub.node.PUBLISHES_SECONDS`)."""
MOST_USED: Final = 1024
MOST_CALLERS: Final = 256
"""Whose rates are remembered."""


class TopicsBusy(ApplianceError):
    """There are as many readers, topics or messages as there may be."""

    exit_code = ExitCode.RETRY
    retryable = True


class Message(NamedTuple):
    """Something that was published, as programs of this host get it."""

    topic: str
    peer: str
    """The author's name in this host's table of peers, or by this node's certificate; "" if it has none now."""
    identity: str
    id: bytes
    written: int
    """Unix seconds, by the author's clock."""
    data: bytes


class _Reader:
    """One stream of one caller."""

    def __init__(self, caller: str, topics: Sequence[str]) -> None:
        self.caller = caller
        self.topics = tuple(dict.fromkeys(topics))
        self.waiting = Waiting(MOST_WAITING, MOST_WAITING_BYTES)


class _Allowance:
    """What one caller, or all, may still do."""

    def __init__(self, turns: Share, fresh: Share, now: float) -> None:
        self._shares = turns, fresh
        self._turns = TokenBucket(*turns, now)
        self._fresh = TokenBucket(*fresh, now)

    def lacks(self, now: float, fresh: int, whose: str) -> str:
        """Why not; "" if it may."""
        turns, topics = self._shares
        if not self._turns.has(now):
            return f"{whose}: at most {turns.a_second:g} messages and subscriptions a second in the long run"
        if not self._fresh.has(now, fresh):
            return f"{whose}: at most {topics.a_second:g} further topics a second in the long run"
        return ""

    def take(self, now: float, fresh: int) -> None:
        """Use it."""
        self._turns.take(now)
        self._fresh.take(now, fresh)


class Readers:
    """Of one node. `changed` is told each topic that has its first reader (True), or no reader any more (False)."""

    def __init__(self, changed: Callable[[str, bool], None], now: Callable[[], float]) -> None:
        self.counters: Counter[str] = Counter()
        self._changed = changed
        self._now = now
        self._readers: dict[str, list[_Reader]] = {}
        """By topic, in the order in which they came."""
        self._callers: Counter[str] = Counter()
        """How many readers each caller has."""
        self._allowances: dict[str, _Allowance] = {}
        """Who asked last stands last."""
        self._of_all = _Allowance(TURNS_OF_ALL, FRESH_OF_ALL, now())
        self._used: dict[str, float] = {}
        """Topics that somebody published in, and when; the last one last."""
        self._over: ApplianceError | None = None

    def topics(self) -> Mapping[str, int]:
        """How many readers each topic has."""
        return {topic: len(readers) for topic, readers in sorted(self._readers.items())}

    def __len__(self) -> int:
        return self._callers.total()

    def publishes(self, caller: str, topic: str) -> None:
        """A caller is about to publish. Raises TopicsBusy if it does so too often, or in too many topics."""
        now = self._now()
        known = topic in self._readers or self._used.get(topic, -USED_SECONDS) + USED_SECONDS > now
        self._take_turn(caller, 0 if known else 1)
        self._used.pop(topic, None)
        self._used[topic] = now
        if len(self._used) > MOST_USED:
            del self._used[next(iter(self._used))]

    def _take_turn(self, caller: str, fresh: int) -> None:
        now = self._now()
        own = self._allowances.pop(caller, None) or _Allowance(TURNS, FRESH, now)
        self._allowances[caller] = own
        if len(self._allowances) > MOST_CALLERS:
            del self._allowances[next(iter(self._allowances))]
        why = own.lacks(now, fresh, "a user") or self._of_all.lacks(now, fresh, "the users of this host together")
        if why:
            self.counters["too-fast"] += 1
            raise TopicsBusy(why, hint="try again in a moment")
        own.take(now, fresh)
        self._of_all.take(now, fresh)

    @contextmanager
    def reading(self, caller: str, topics: Sequence[str]) -> Iterator[AsyncGenerator[Message | Missed, None]]:
        """What comes in these topics from now on, with a `Missed` in the place of what was not taken in time. The stream raises
        what `end` was called with. Raises TopicsBusy."""
        reader = _Reader(caller, topics)
        self._find_room(reader)
        self._take_turn(caller, len(set(reader.topics) - self._readers.keys()))
        self._callers[caller] += 1
        try:
            for topic in reader.topics:
                self._add(topic, reader)
            yield _taken(reader)
        finally:
            self._callers -= Counter({caller: 1})
            for topic in reader.topics:
                self._remove(topic, reader)

    def put(self, message: Message) -> None:
        """One more for all who read its topic."""
        for reader in self._readers.get(message.topic, ()):
            self.counters["delivered"] += 1
            self.counters["missed"] += reader.waiting.put(message, len(message.data))

    def end(self, error: ApplianceError) -> None:
        """All streams end with that, once their readers have taken what waits."""
        self._over = error
        for reader in {reader for readers in self._readers.values() for reader in readers}:
            reader.waiting.put(error)

    # ---- parts ----

    def _find_room(self, reader: _Reader) -> None:
        if len(reader.topics) > MOST_OF_A_READER:
            raise TopicsBusy(f"a reader has at most {MOST_OF_A_READER} topics", hint="begin another one for the rest")
        if self._callers[reader.caller] >= MOST_READERS_OF_A_CALLER or len(self) >= MOST_READERS:
            self.counters["readers-refused"] += 1
            raise TopicsBusy("there are as many readers of topics as there may be", hint="end some of them")
        if len(self._readers.keys() | set(reader.topics)) > MOST_TOPICS:
            self.counters["topics-refused"] += 1
            raise TopicsBusy(f"programs of this host read {MOST_TOPICS} topics already", hint="end some of their readers")

    def _add(self, topic: str, reader: _Reader) -> None:
        is_first = topic not in self._readers
        self._readers.setdefault(topic, []).append(reader)
        if is_first:
            self._changed(topic, True)  # noqa: FBT003

    def _remove(self, topic: str, reader: _Reader) -> None:
        readers = self._readers.get(topic, [])
        if reader in readers:
            readers.remove(reader)
            if not readers:
                del self._readers[topic]
                if self._over is None:
                    self._changed(topic, False)  # noqa: FBT003


async def _taken(reader: _Reader) -> AsyncGenerator[Message | Missed, None]:
    while not isinstance(item := await reader.waiting.take(), ApplianceError):
        yield item
    raise item
