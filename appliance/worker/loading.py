"""Imports what plugins bring to the worker. What cannot be imported is told, and keeps nobody else from working."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

LOAD_SECONDS: Final = 4.0
"""For one import; the control process waits ten for all."""


class _Alarm(BaseException):
    """The import does not end."""


def load_all(import_paths: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The objects at the import paths, and why others could not be had."""
    loaded: dict[str, Any] = {}
    broken: dict[str, str] = {}
    signal.signal(signal.SIGALRM, _ring)
    for path in import_paths:
        try:
            signal.setitimer(signal.ITIMER_REAL, LOAD_SECONDS)
            loaded[path] = load(path)
        except _Alarm:
            broken[path] = f"did not end within {LOAD_SECONDS:g} s"
        except BaseException as error:  # noqa: BLE001  a plugin's fault, told to the control process, which names the plugin
            broken[path] = f"{type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return loaded, broken


def load(import_path: str) -> Any:
    """The object at "package.module:name". Raises whatever importing it raises."""
    module, _, name = import_path.partition(":")
    return getattr(importlib.import_module(module), name)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise _Alarm
