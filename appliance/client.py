"""Asks the running daemon, from any program on this host: the public face of its control socket.

    from appliance.client import Client

    client = Client()
    print(client.call("status")["state"])
    with client.stream("mesh.changes", {"peer": "hub"}) as changes:
        for change in changes: ...

Blocking and on the standard library alone. Who asks is who runs the program: the kernel says so to the daemon. Errors are
`ApplianceError`s, also those that the daemon tells of.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing
from typing import Any

from appliance.control import client
from appliance.control.messages import Lost
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import places

__all__ = ["ApplianceError", "Client", "ExitCode"]


class Client:
    """A daemon of the network namespace that the program runs in: the instance of that name, "" for the one without a name, None
    for the one that $APPLIANCE_INSTANCE names. Each question is a connection. Raises ApplianceError for what is no name."""

    def __init__(self, instance: str | None = None) -> None:
        environ = os.environ if instance is None else {**os.environ, places.INSTANCE_VARIABLE: instance}
        self._address = tuple(places.control_addresses(environ))

    def call(self, operation: str, arguments: Mapping[str, Any] | None = None, *, seconds: float = client.ANSWER_TIMEOUT) -> Any:
        """The answer, as JSON has it. Waits `seconds` for it at most. Raises ApplianceError."""
        return client.call(operation, arguments, timeout=seconds, address=self._address)

    def stream(
        self, operation: str, arguments: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Generator[Any, None, None]]:
        """The items of an answer that is a stream, for as long as it takes; leaving the context ends it. Raises ApplianceError.

        Who takes them too slowly for the daemon to wait (that depends on the operation) gets an error that says so.
        """
        return closing(self._items(operation, arguments))

    def _items(self, operation: str, arguments: Mapping[str, Any] | None) -> Generator[Any, None, None]:
        with closing(client.stream(operation, arguments, address=self._address)) as stream:
            for said in stream:
                if isinstance(said, Lost):
                    missed = f"{operation}: {said.number} items were not taken in time"
                    raise client.ControlError("too-slow", missed, hint="ask again, and take them faster")
                yield said.item
