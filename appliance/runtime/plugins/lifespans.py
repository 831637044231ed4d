"""What plugins run beside the node (`appliance_lifespan`): entered in plugin order, left in reverse, each within its limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from appliance.runtime.lifespan import STOP_LIMIT
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.stay import Stay

Entries = tuple[tuple[str, AbstractAsyncContextManager[object]], ...]
"""Plugins' names, each with what it runs."""


class Push(Protocol):
    """`Lifespan.push`."""

    def __call__(self, name: str, stop: Callable[[], Awaitable[object]], /) -> None:
        """`name` has started; `stop()` ends it."""


async def enter_all(entries: Entries, calls: PluginCalls, push: Push) -> None:
    """Enter each; what fails at that is on its plugin's account, and the others go on."""
    for plugin, context in entries:
        await _enter(plugin, context, calls, push)


async def _enter(plugin: str, context: AbstractAsyncContextManager[object], calls: PluginCalls, push: Push) -> None:
    part = Part("lifespan", plugin)

    def over(error: Exception | None) -> None:
        calls.failed(part, error or "it ended by itself")

    async def leave() -> None:
        try:
            await stay.leave(STOP_LIMIT)
        except Exception as error:
            calls.failed(part, error, "stop")
            raise

    stay = Stay(context, f"plugin {plugin}", over)
    try:
        await stay.enter(STOP_LIMIT)
    except Exception as error:  # noqa: BLE001  a plugin's fault must not end the node
        calls.failed(part, error, "start")
    else:
        push(f"plugin {plugin}", leave)
