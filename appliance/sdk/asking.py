"""Asks this host's node many things at a time: a few conversations, begun when they are needed, and anew when the node was
away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from appliance.control.client import Address
from appliance.sdk.errors import NodeGone
from appliance.sdk.node import Following, NodeConnection, Told

MOST_CONVERSATIONS: Final = 3
"""A node lets a user have eight: the others are for services, which have one each."""
MOST_QUESTIONS: Final = 14
"""At a time in one of them; a node answers sixteen."""


class Asking:
    """The conversations of one client. `address`: where the node is; None: where it usually is."""

    def __init__(self, address: Address | None) -> None:
        self._address = address
        self._conversations: list[NodeConnection] = []
        self._beginning = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._begun = 0
        self._lost = 0
        self._closed = False

    @property
    def reconnects(self) -> int:
        """How often a conversation was begun in the place of one that the node had ended."""
        return min(self._lost, max(0, self._begun - 1))

    async def ask(self, op: str, args: Mapping[str, Any] | None = None) -> Told:
        """The answer. Raises SDKError."""
        return await (await self._free()).ask(op, args)

    async def follow(self, op: str, args: Mapping[str, Any] | None = None) -> Following:
        """What comes for a question whose answer is a stream. Whoever takes it must take all that comes, without delay: others
        ask on the same conversation. Raises SDKError."""
        return (await self._free()).follow(op, args)

    async def begin(self) -> None:
        """See that the node is there. Raises SDKError."""
        await self._free()

    async def another(self) -> NodeConnection:
        """A conversation for one purpose, the caller's own. Raises SDKError."""
        return await NodeConnection.open(self._address)

    def close(self) -> None:
        """End all that is under way. Nothing is asked afterwards."""
        self._closed = True
        for conversation in self._conversations:
            conversation.close()
        self._wake()

    async def _free(self) -> NodeConnection:
        """A conversation with room for a question. Who waits for one is served in order."""
        while True:
            if (found := self._with_room()) is not None:
                return found
            if len(self._conversations) < MOST_CONVERSATIONS:
                async with self._beginning:
                    if self._with_room() is None and len(self._conversations) < MOST_CONVERSATIONS:
                        await self._begin()
                continue
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                self._waiting.remove(waiting)
                # There may be room for more than one, or this one was cancelled after it had been woken.
                asyncio.get_running_loop().call_soon(self._wake_if_room)

    async def _begin(self) -> None:
        conversation = await NodeConnection.open(self._address)
        if self._closed:
            conversation.close()
            return
        conversation.freed = self._wake
        self._conversations.append(conversation)
        self._begun += 1

    def _with_room(self) -> NodeConnection | None:
        if self._closed:
            raise NodeGone("this client is closed", hint="make a new one")
        gone = [each for each in self._conversations if each.closed]
        if gone:
            self._lost += len(gone)
            self._conversations = [each for each in self._conversations if not each.closed]
        free = list(filter(_has_room, self._conversations))
        return min(free, key=lambda each: each.under_way, default=None)

    def _wake_if_room(self) -> None:
        if self._closed or len(self._conversations) < MOST_CONVERSATIONS or any(map(_has_room, self._conversations)):
            self._wake()

    def _wake(self) -> None:
        """Let the next who waits look whether there is room, or all of them that it is over."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
                if not self._closed:
                    return


def _has_room(conversation: NodeConnection) -> bool:
    """Also one that has ended, which makes room for another."""
    return conversation.closed or conversation.under_way < MOST_QUESTIONS
