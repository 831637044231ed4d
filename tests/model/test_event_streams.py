"""Readers of a stream of events beside the simplest model there is: a list of everything that was ever said.

Random readers come, read a little, are cut off at any moment and come back with the last id they saw; the log and the ring
forget, each at its own time. Whoever was not told that he is too late has everything in order, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.management.jobs.events import Beat, Deliver, Event, Fetch, Reader, Ring, Stale

READERS = st.integers(0, 3)


@dataclass
class Client:
    """What one reader saw, in all its lives."""

    start: int
    topic: str | None
    cursor: int
    seen: list[int] = field(default_factory=list)
    missed: set[int] = field(default_factory=set)
    reader: Reader | None = None


class Streams(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.said: list[Event] = []
        self.log: list[Event] = []
        self.ring = Ring(most_events=6)
        self.clients: dict[int, Client] = {}

    @rule(number=st.integers(1, 12), jobs=st.booleans(), gap=st.integers(1, 3))
    def publish(self, number: int, jobs: bool, gap: int) -> None:
        for _ in range(number):
            event = Event((self.said[-1].id if self.said else 0) + gap, "jobs.x" if jobs else "node.x", "{}")
            self.said.append(event)
            self.log.append(event)

    @rule(some=st.integers(1, 20))
    def show(self, some: int) -> None:
        self.ring.add([event for event in self.log if event.id > self.ring.newest][:some])

    @rule(keep=st.integers(1, 15))
    def forget(self, keep: int) -> None:
        """The store keeps the newest; what was never shown is not forgotten, since it is shown at once."""
        gone = self.log[:-keep]
        if all(event.id <= self.ring.newest for event in gone):
            self.log = self.log[-keep:]

    @rule(who=READERS, topic=st.sampled_from([None, "jobs"]), from_now=st.booleans())
    def come(self, who: int, topic: str | None, from_now: bool) -> None:
        if who in self.clients:
            return
        start = self.ring.newest if from_now else 0
        self.clients[who] = Client(start, topic, start)
        self.connect(self.clients[who], None if from_now else 0)

    @rule(who=READERS)
    def cut(self, who: int) -> None:
        if (client := self.clients.get(who)) is not None:
            self.connect(client, client.cursor)

    @rule(who=READERS, steps=st.integers(1, 6), seconds=st.floats(0, 20))
    def read(self, who: int, steps: int, seconds: float) -> None:
        self.now += seconds
        client = self.clients.get(who)
        for _ in range(steps if client is not None else 0):
            self.step(client)

    def connect(self, client: Client, after: int | None) -> None:
        wanted = None if client.topic is None else (lambda event: event.topic == client.topic)
        client.reader = Reader(after, self.ring.newest, self.now, wanted=wanted)

    def step(self, client: Client) -> None:
        step = client.reader.next(self.ring, self.now)
        if isinstance(step, Fetch):
            behind = [event for event in self.log if event.id > step.after][:5]
            oldest = self.log[0].id if self.log else 1
            step = client.reader.fetched(behind, oldest, self.log[-1].id if self.log else 0, self.ring, self.now)
        match step:
            case Deliver(events):
                client.seen += [event.id for event in events]
                client.cursor = events[-1].id
            case Beat(cursor):
                client.cursor = cursor
            case Stale(after, oldest, _):
                client.missed |= {event.id for event in self.said if after < event.id < oldest}
                client.cursor = oldest - 1

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        for client in getattr(self, "clients", {}).values():
            due = [
                event.id
                for event in self.said
                if client.start < event.id <= client.cursor
                and event.id not in client.missed
                and client.topic in {None, event.topic}
            ]
            assert client.seen == due

    def teardown(self) -> None:
        """Left in peace, each comes to the end."""
        self.show(10_000)
        for client in self.clients.values():
            for _ in range(200):
                self.step(client)
            self.now += 16
            self.step(client)
            assert client.cursor == self.ring.newest
        self.nothing_is_lost_or_doubled()


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.fuzz
@pytest.mark.slow
class TestStreamsLong(Streams.TestCase):
    settings = settings(max_examples=3_000, stateful_step_count=80, deadline=None)
