"""Streams as steps of traces: the traceparent that a caller says is taken up, and the one that goes on from here names our step.

Where nothing is traced, what was said goes on as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from appliance.errors import ApplianceError, LocalFault
from appliance.wire.stream_preface import Wanted, encode_wanted

Side = Literal["client", "server"]


class Step(Protocol):
    """A step that is recorded."""

    error: str
    """Why it went wrong; "" while it does not."""

    def end(self) -> None:
        """It is over."""


class Trace(Protocol):
    """Begins a step: which side of the stream this is, what to call it, the traceparent that was said ("" if none), and more
    about it. Returns the traceparent that goes on, and the step if it is recorded."""

    def __call__(self, side: Side, name: str, traceparent: str, about: Mapping[str, Any], /) -> tuple[str, Step | None]:
        """See above."""


def untraced(_side: Side, _name: str, traceparent: str, _about: Mapping[str, Any]) -> tuple[str, Step | None]:
    """Nothing is recorded."""
    return traceparent, None


@contextmanager
def step(trace: Trace, side: Side, name: str, wanted: Wanted, about: Mapping[str, Any]) -> Iterator[tuple[Wanted, Step | None]]:
    """What is wanted, with the traceparent that goes on; the step ends here, with why it went wrong."""
    traceparent, begun = trace(side, name, wanted.traceparent, {"appliance.service": wanted.service, **about})
    try:
        yield _with(wanted, traceparent), begun
    except BaseException as error:
        if begun is not None:
            begun.error = error.code if isinstance(error, ApplianceError) else type(error).__name__
        raise
    finally:
        if begun is not None:
            begun.end()


def _with(wanted: Wanted, traceparent: str) -> Wanted:
    """Without it if there is no room: metadata of the application's go first."""
    if traceparent == wanted.traceparent:
        return wanted
    changed = wanted._replace(traceparent=traceparent)
    try:
        encode_wanted(changed)
    except LocalFault:
        return wanted
    return changed
