"""The control socket's server: callers known by the kernel's word, everything bounded.

What is said: `control.messages`. How one caller is talked with: `control.conversation`. Where the socket is and who may have it:
`control.address`. How many callers there may be: `control.admission`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress

from appliance.api.management import Principal
from appliance.control.admission import Admission
from appliance.control.callers import named, nameless, user_of
from appliance.control.conversation import Allowed, Conversation, Operation, Patience, failure
from appliance.control.messages import MAX_LINE, line_of
from appliance.errors import ExitCode
from appliance.foundation.aside import Asides, Busy
from appliance.foundation.patience import TookTooLong

ACCEPTS = 16
"""Callers taken in a turn of the event loop: a user who connects as fast as can be does not keep it from the rest."""

NAME_SECONDS = 1.0
NAMES_AT_A_TIME = 2
"""How long looking up a caller's name may take, and how often at a time for one user: the database may be somebody's server."""


class ControlServer:
    """Answers on the control socket. `allowed(principal, permission, target)` decides who may do what."""

    def __init__(self, operations: Mapping[str, Operation], allowed: Allowed, admission: Admission) -> None:
        self._operations = operations
        self._allowed = allowed
        self._admission = admission
        self._names = Asides("names of users", NAMES_AT_A_TIME)
        self._conversations: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def serve(self, listener: socket.socket) -> None:
        """Begin to answer on `listener`, which stays the caller's."""
        self._listener = listener.dup()
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def attend(self, connection: socket.socket, principal: Principal, patience: Patience) -> asyncio.Task[None]:
        """Answer on a connection whose other end the node gave away itself; it is closed afterwards."""
        connection.setblocking(False)  # noqa: FBT003
        task = asyncio.get_running_loop().create_task(self._attend(connection, principal, patience), name=principal.kind)
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
        return task

    async def close(self) -> None:
        """Stop listening, cancel what is under way, and hang up. Safe to call twice."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody else, or no descriptor for them
                return
            connection.setblocking(False)  # noqa: FBT003
            uid = user_of(connection)
            reason = self._admission.admit(uid)
            if reason is not None:
                _hang_up(connection, reason)
                continue
            task = asyncio.get_running_loop().create_task(self._converse(connection, uid), name="caller")
            self._conversations.add(task)
            task.add_done_callback(self._conversations.discard)

    async def _converse(self, connection: socket.socket, uid: int) -> None:
        try:
            asked = nameless(connection)
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=MAX_LINE)
            try:
                caller = await self._who(asked)
                await Conversation(self._operations, self._allowed, self._admission, caller, reader, writer).hold()
            finally:
                writer.transport.abort()  # what it was to hear it has been given time for
        except OSError:  # the caller is gone
            pass
        finally:
            self._admission.leave(uid)

    async def _attend(self, connection: socket.socket, principal: Principal, patience: Patience) -> None:
        with suppress(OSError):  # the other end is gone
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=MAX_LINE)
            try:
                await Conversation(self._operations, self._allowed, self._admission, principal, reader, writer, patience).hold()
            finally:
                writer.transport.abort()

    async def _who(self, principal: Principal) -> Principal:
        """The caller with its user's name, if the system's database of users tells that in time."""
        try:
            return await self._names.run(principal.uid, lambda: named(principal), NAME_SECONDS)
        except (TookTooLong, Busy):
            return principal


def _hang_up(connection: socket.socket, reason: str) -> None:
    whose = "of this user " if reason == "user-busy" else ""
    answer = failure(reason, f"too many callers {whose}at once", "try again in a moment", ExitCode.RETRY)
    with connection, suppress(OSError):
        connection.send(line_of(answer))
