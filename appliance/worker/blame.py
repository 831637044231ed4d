"""Whose code raised in the worker: that of a driver or a cipher which a plugin brought, or our own.

Only asked when something has raised, so it costs nothing before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from types import FrameType
from typing import Any, Final, NamedTuple

CORE: Final = "appliance."


class Fault(NamedTuple):
    """An exception that a plugin's code raised."""

    import_path: str
    """That of the class whose code it was."""
    subject: Any
    """The object whose method it was, or called the function that it was; None when there is none."""
    place: str
    """What was raised, in which function, and the file and line."""


class Blame:
    """`loaded` are the drivers and ciphers of the worker by their import paths."""

    def __init__(self, loaded: Mapping[str, Any]) -> None:
        self._loaded = loaded

    def of(self, error: BaseException) -> Fault | None:
        """The innermost driver or cipher in the traceback; None when the core's code is nearer to what raised."""
        frames = _frames(error)
        while frames:
            frame, line = frames.pop()
            found = self._owner(frame)
            if found is not None:
                import_path, subject = found
                where = f"{PurePath(frame.f_code.co_filename).name}:{line}"
                if subject is None:
                    subject = self._caller(import_path, frames)
                return Fault(import_path, subject, f"{type(error).__name__} in {frame.f_code.co_name} ({where})")
            if str(frame.f_globals.get("__name__", "")).startswith(CORE):
                return None
        return None

    def _caller(self, import_path: str, frames: Iterable[tuple[FrameType, int]]) -> Any:
        """The object of that driver or cipher one of whose methods called a function of its module; None when there is none."""
        owners = (self._owner(frame) for frame, _ in frames)
        return next((owner[1] for owner in owners if owner and owner[0] == import_path and owner[1] is not None), None)

    def _owner(self, frame: FrameType) -> tuple[str, Any] | None:
        """The driver or cipher that runs in a frame: by the object whose method it is, else by the module."""
        subject = frame.f_locals.get("self")
        for import_path, loaded in self._loaded.items():
            if isinstance(loaded, type) and isinstance(subject, loaded):
                return import_path, subject
        module = str(frame.f_globals.get("__name__", ""))
        return next(((path, None) for path in self._loaded if path.partition(":")[0] == module), None)


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    trace, found = error.__traceback__, []
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found
