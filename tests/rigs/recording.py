"""A recorder of spans, with the clocks of the host, and what it kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.api_server.tracing.current import Place, within
from appliance.foundation import clock, entropy
from appliance.management.tracing.context import Trace
from appliance.management.tracing.span import Clocks, Process, Recorder, Span

RECORDED, UNRECORDED = Trace("a" * 32, "b" * 16, "01"), Trace("a" * 32, "b" * 16, "00")


@contextmanager
def recording() -> Iterator[tuple[Recorder, list[Span]]]:
    """In no trace."""
    kept: list[Span] = []
    yield Recorder(Process.API, kept.append, Clocks(clock.wall, clock.monotonic, entropy.random_bytes)), kept


@contextmanager
def recorded() -> Iterator[list[Span]]:
    """In a step of RECORDED."""
    with recording() as (recorder, kept), within(Place(RECORDED, recorder), None):
        yield kept
