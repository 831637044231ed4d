"""Topics of several hosts in one process: the real readers and questions, and no network between them, so nothing is lost on the
way. `tests/unit/runtime/knowledge/test_topics.py` has the network."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

from appliance.control.feed import Missed
from appliance.runtime.knowledge.readers import Message, Readers

MESH = [{"peer": "one", "score": 1.5}, {"peer": "two", "score": -0.5}]


class Corner:
    """The topics of one host (`runtime.knowledge.topics.Topics`, as questions see it)."""

    def __init__(self, name: str, square: Square) -> None:
        self.name = name
        self.published = 0
        self._square = square
        self.readers = Readers(lambda _topic, _wanted: None, time.monotonic)

    def publish(self, caller: str, topic: str, data: bytes) -> bytes:
        """All corners have it at once."""
        self.readers.publishes(caller, topic)
        self.published += 1
        ident = next(self._square.numbers).to_bytes(20, "big")
        for corner in self._square.corners.values():
            corner.readers.put(Message(topic, self.name, f"llp1:{self.name}", ident, int(time.time()), data))
        return ident

    def reading(self, caller: str, topics: Sequence[str]) -> AbstractContextManager[AsyncGenerator[Message | Missed, None]]:
        return self.readers.reading(caller, topics)

    def described(self) -> list[dict[str, Any]]:
        return [
            {"topic": topic, "readers": number, "members": 2, "mesh": MESH} for topic, number in self.readers.topics().items()
        ]


class Square:
    """All of them, by name."""

    def __init__(self, *names: str) -> None:
        self.numbers = count(1)
        self.corners = {name: Corner(name, self) for name in names}

    def __getitem__(self, name: str) -> Corner:
        return self.corners[name]
