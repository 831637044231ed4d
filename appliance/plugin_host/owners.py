"""Whose code is it? Frames and tracebacks, told to the plugin whose package they run in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

CORE = "appliance"
SHARED = ("appliance.api", "appliance.testing")
"""Of the core, but run on behalf of whoever calls it."""


class Owners:
    """Which package is which plugin's."""

    def __init__(self) -> None:
        self._packages: dict[str, str] = {}

    def add(self, plugin: str, module: str) -> None:
        """The entry point of `plugin` names `module`, which is loaded."""
        package = getattr(sys.modules.get(module), "__package__", None) or module
        self._packages[package] = plugin

    def become(self, other: Owners) -> None:
        """Know what `other` knows."""
        self._packages = dict(other._packages)

    def of_module(self, module: str) -> str | None:
        """The plugin that a module belongs to; None when it is nobody's."""
        name = module
        while name:
            if name in self._packages:
                return self._packages[name]
            name = name.rpartition(".")[0]
        return None

    def of_frame(self, frame: FrameType | None) -> str | None:
        """The plugin that runs in `frame`: the innermost that it or its callers are of. None when the core is nearer."""
        while frame is not None:
            module = str(frame.f_globals.get("__name__", ""))
            plugin = self.of_module(module)
            if plugin is not None:
                return plugin
            if _is_core(module):
                return None
            frame = frame.f_back
        return None

    def of_error(self, error: BaseException) -> str | None:
        """The plugin that an exception comes from: the innermost in its traceback."""
        modules = [str(frame.f_globals.get("__name__", "")) for frame in _frames(error)]
        return next((plugin for module in reversed(modules) if (plugin := self.of_module(module))), None)


def _is_core(module: str) -> bool:
    below = module.partition(".")[0] == CORE
    return below and not any(module == shared or module.startswith(f"{shared}.") for shared in SHARED)


def _frames(error: BaseException) -> Iterator[FrameType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
