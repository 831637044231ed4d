"""An API server as jobs see it, around a node that does what a test says, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from appliance.api.values import Problem
from appliance.api_server.jobs.event_log import EventLog
from appliance.api_server.jobs.jobs import Jobs
from appliance.api_server.jobs.templates import TemplateUnknown
from appliance.management.jobs.execution import Execution, Limits, State
from appliance.management.jobs.template import Template
from appliance.store.memory import MemoryStore
from tests.unit.management.jobs.written import OPERATIONS, TRIAL

Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]


class User(NamedTuple):
    name: str
    user: str
    permissions: frozenset[str] = frozenset({"node.read", "node.change", "enrolment.invite"})


ALICE, BOB = User("alice", "u1"), User("bob", "u2", frozenset({"node.read"}))


@dataclass
class Node:
    """Answers `{"ok": True}` to everything, unless it was told otherwise."""

    templates: dict[str, Template] = field(default_factory=lambda: {TRIAL.name: TRIAL})
    users: dict[str, User] = field(default_factory=lambda: {user.name: user for user in (ALICE, BOB)})
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    operations: Any = field(default_factory=lambda: dict(OPERATIONS))

    def template(self, name: str) -> Template:
        if name not in self.templates:
            raise TemplateUnknown(name)
        return self.templates[name]

    def judge(self, operation: str, arguments: Mapping[str, Any]) -> Sequence[Problem]:
        return ()

    def may(self, caller: User, permission: str) -> bool:
        return permission in caller.permissions

    async def find(self, name: str, user: str) -> User | None:
        return next((found for found in self.users.values() if (found.name, found.user) == (name, user)), None)

    async def ask(self, operation: str, arguments: Mapping[str, Any], caller: User, execution: str) -> Any:
        self.asked.append((operation, dict(arguments), caller.name))
        return await self.answers[operation](arguments) if operation in self.answers else {"ok": True}

    @property
    def deeds(self) -> list[str]:
        return [operation for operation, _, _ in self.asked]


def virtual_wall() -> float:
    return 1_700_000_000.0 + asyncio.get_running_loop().time()


def new_store() -> MemoryStore:
    return MemoryStore(clock=virtual_wall)


@dataclass
class House:
    node: Node
    store: MemoryStore
    events: EventLog
    jobs: Jobs

    async def over(self, execution: Execution) -> Execution:
        """It, once it is over."""
        async for _ in self.jobs.follow(execution.id, None):
            pass
        found = await self.jobs.get(execution.id)
        assert found.state.over
        return found


@asynccontextmanager
async def house(
    store: MemoryStore | None = None, node: Node | None = None, limits: Limits | None = None, server: str = "api"
) -> AsyncIterator[House]:
    """An API server that runs; at the end it is closed in order."""
    store, node = store or new_store(), node or Node()
    events = EventLog(store, wall=virtual_wall)
    await events.open()
    telling = asyncio.get_running_loop().create_task(events.run())
    numbers = itertools.count()
    jobs = Jobs(
        store, events, node, server=server, limits=limits, wall=virtual_wall, random=lambda n: next(numbers).to_bytes(n, "big")
    )
    await jobs.open()
    try:
        yield House(node, store, events, jobs)
    finally:
        await jobs.close()
        events.close()
        telling.cancel()
        await asyncio.wait({telling})


def after(seconds: float, answer: Any = None, error: Exception | None = None) -> Answer:
    """Answers so much later."""

    async def answered(_arguments: Mapping[str, Any]) -> Any:
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return answer

    return answered


async def until(condition: Callable[[], bool]) -> None:
    """Let virtual time pass until it is so."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never was")


def states(execution: Execution) -> list[str]:
    return [str(step.state) for step in execution.steps]


__all__ = ["ALICE", "BOB", "House", "Node", "State", "User", "after", "house", "new_store", "states", "until", "virtual_wall"]
