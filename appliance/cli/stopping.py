"""`appliance stop`: the node that runs ends, and has undone what it applied when the command returns."""

from __future__ import annotations

import argparse
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.control.callers import nameless
from appliance.errors import ApplianceError, ExitCode

STOP_SECONDS = 90.0
"""How long the node may take to undo what it applied (`hosted_node.UNDO_SECONDS`, and all before that)."""


def stop(_arguments: argparse.Namespace, terminal: Terminal) -> int:
    """End the node. Raises NoDaemon if there is none."""
    stop_node()
    terminal.result({"stopped": True}, "stopped: all that the node had applied is undone")
    return ExitCode.OK


def stop_node() -> None:
    """The same without a word. Raises NoDaemon, ApplianceError if it does not end."""
    with client.connect() as connection:
        process = nameless(connection).pid
    with _watched(process) as end:
        client.call("stop")
        if end is not None and not select.select([end], [], [], STOP_SECONDS)[0]:
            raise ApplianceError("the node does not stop", hint="see its log; nothing was removed")


@contextmanager
def _watched(process: int | None) -> Iterator[int | None]:
    """A descriptor that becomes readable when that process has ended; None if it cannot be seen from here."""
    try:
        end = os.pidfd_open(process or 0)
    except OSError:
        yield None
        return
    try:
        yield end
    finally:
        os.close(end)
