"""The moment between a window's end and the way back: nobody slips in, and nothing is undone twice."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import ExitCode, HostError
from appliance.runtime.host.countdown import Countdown
from appliance.runtime.reload import Reload, Unconfirmed


class Node:
    """As many parts of a node as going back from a first profile takes. It notes what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.later: list[Coroutine[Any, Any, None]] = []
        self.expired = asyncio.Event()
        self.changing = asyncio.Lock()
        self.countdown = Countdown()
        self.in_force = SimpleNamespace(profile=None)
        self.node = SimpleNamespace(tasks=SimpleNamespace(spawn=self.spawn))
        self.trial = SimpleNamespace(
            lapse=lambda why: self.told.append(why.value), roll_back=lambda *_: self.told.append("rolled-back")
        )

    def spawn(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.later.append(work)
        self.expired.set()

    def stop(self, _reason: str, code: ExitCode) -> None:
        self.told.append(code)


async def run_out() -> tuple[Node, Reload]:
    """A window whose time has just run out."""
    node: Any = Node()
    reload = Reload(node)
    reload.await_confirmation(0)
    await node.expired.wait()
    return node, reload


async def test_nobody_slips_in() -> None:
    node, reload = await run_out()
    with pytest.raises(Unconfirmed):
        await reload.reload()
    with pytest.raises(HostError, match="nothing awaits confirmation"):
        await reload.confirm()
    await node.later.pop()
    assert node.told == ["unconfirmed", ExitCode.WITHHELD]


async def test_a_rollback_in_that_moment_is_the_way_back() -> None:
    node, reload = await run_out()
    await reload.rollback()
    await node.later.pop()
    assert node.told == ["rolled-back", ExitCode.WITHHELD]


async def test_what_goes_back_only_from_the_unconfirmed_leaves_alone_what_was_confirmed_or_has_gone_back() -> None:
    node, reload = await run_out()
    await reload.rollback(unconfirmed=True)
    assert node.told == ["rolled-back", ExitCode.WITHHELD]
    await node.later.pop()
    with pytest.raises(HostError, match="nothing awaits confirmation"):
        await reload.rollback(unconfirmed=True)
    assert node.told == ["rolled-back", ExitCode.WITHHELD]


class Looking(Reload):
    """Comes as far as the profile, and looks whether garbage would be looked for."""

    looked: bool | None = None

    def _load(self, given: object) -> Any:
        self.looked = gc.isenabled()
        raise HostError("that is all")


async def test_nobody_looks_for_garbage_while_thousands_of_peers_are_read() -> None:
    node: Any = Node()
    reload = Looking(node)
    with pytest.raises(HostError, match="that is all"):
        await reload.reload()
    assert reload.looked is False
    assert gc.isenabled()
