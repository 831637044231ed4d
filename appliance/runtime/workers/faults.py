"""What plugins' code does wrong in the workers: named, and given up where it does so again and again.

A driver or cipher is known there by its import path, and one that hangs or crashes by the file it was in. A transport that was
given up is dialled no more and its links are closed, so that sessions move to other endpoints. A suite is offered no more, so
that they are made anew with another, or refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls

if TYPE_CHECKING:
    from appliance.plugin_host import PluginHost

FAULTS_OF_A_SUITE: Final = 20
"""Each costs a record."""
HANGS: Final = 2
"""One may be the host's fault; each costs everybody's sessions and some seconds."""
DRIVER: Final = "driver"
CIPHER: Final = "cipher"
FRAME: Final = re.compile(r'File "([^"]+)", line (\d+) in (\S+)')
"""A line of `faulthandler`, innermost first."""


class WorkerFaults:
    """`needed(part)`: does the profile name it? `refuse(part)` gives it up."""

    def __init__(
        self, plugins: PluginHost, calls: PluginCalls, needed: Callable[[Part], bool], refuse: Callable[[Part], None]
    ) -> None:
        self._plugins = plugins
        self._calls = calls
        self._needed = needed
        self._refuse = refuse
        self._hangs: Counter[Part] = Counter()
        self._refused: set[Part] = set()

    def broken(self, reasons: Mapping[str, str]) -> None:
        """A worker could not import these. Raises PluginFault for one that the profile needs."""
        for import_path, reason in reasons.items():
            for part in self._parts(import_path):
                fault = self._calls.failed(part, f"cannot be loaded: {reason}")
                if self._needed(part):
                    raise fault
                self._give_up(part)

    def raised(self, import_path: str, place: str, times: int) -> None:
        """Code at an import path raised in a worker."""
        for part in self._parts(import_path):
            self._calls.failed(part, f"raised {place}")
            if part.noun == "suite" and times >= FAULTS_OF_A_SUITE:
                self._give_up(part)

    def last_words(self, stack: str, *, hung: bool) -> None:
        """Where a worker was that hung or crashed: the plugin's code nearest to that is to blame."""
        what = "hung" if hung else "crashed"
        for file, line, name in FRAME.findall(stack):
            for part in self._in_file(Path(file)):
                self._calls.failed(part, f"{what} the worker in {name} ({Path(file).name}:{line})")
                self._hangs[part] += 1
                if self._hangs[part] >= HANGS:
                    self._give_up(part)
                return

    def _give_up(self, part: Part) -> None:
        if part not in self._refused:
            self._refused.add(part)
            self._refuse(part)

    def _import_paths(self) -> Iterator[tuple[Part, str]]:
        for scheme, kind in self._plugins.transports.items():
            yield Part("transport", scheme, DRIVER), kind.driver
        for name, suite in self._plugins.suites.items():
            yield Part("suite", name, CIPHER), suite.aead

    def _parts(self, import_path: str) -> list[Part]:
        return [part for part, theirs in self._import_paths() if theirs == import_path]

    def _in_file(self, file: Path) -> list[Part]:
        """The parts whose module is that file; else the first whose package it is in."""
        near: list[Part] = []
        for part, import_path in self._import_paths():
            module = import_path.partition(":")[0]
            origin = _file_of(module)
            if origin == file:
                return [part]
            if origin is not None and "." in module and file.is_relative_to(origin.parent):
                near.append(part)
        return near[:1]


def _file_of(module: str) -> Path | None:
    """Where a module is; it may be found without being imported, but for its packages."""
    try:
        spec = find_spec(module)
    except Exception:  # noqa: BLE001  a plugin's package that cannot be imported
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None
