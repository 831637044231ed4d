"""A plugin's lifespan whose failures are written to its account. Time limits are the caller's, since it owns the event loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Literal

Blame = Callable[[str, Literal["start", "stop"], BaseException], None]


class AttributedLifespan:
    """An async context manager around a plugin's. `plugin` says whose it is."""

    def __init__(self, plugin: str, context: AbstractAsyncContextManager[object], blame: Blame) -> None:
        self.plugin = plugin
        self._context = context
        self._blame = blame

    async def __aenter__(self) -> None:
        """Start. Raises what the plugin raises; being cancelled here means that it took too long."""
        try:
            await self._context.__aenter__()
        except BaseException as error:
            self._blame(self.plugin, "start", error)
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop. Raises what the plugin raises."""
        try:
            await self._context.__aexit__(kind, error, trace)
        except BaseException as raised:
            self._blame(self.plugin, "stop", raised)
            raise
