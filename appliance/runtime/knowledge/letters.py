"""Letters between servers of plugins on two members (`api.servers`), in one running node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import Limits
from appliance.errors import ApplianceError, ExitCode
from appliance.knowledge.letters.machine import MOST_CONTENT, Letters
from appliance.members.network import digest_of_text, identity_text
from appliance.runtime.knowledge.hosting import Hosted

if TYPE_CHECKING:
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.runtime.knowledge.around import Around

NAME: Final = "letters"
LIMITS: Final = Limits(messages=50.0, bytes=262_144.0, waiting=64, requests=64)
"""Of one member."""
MOST_WAITING: Final = 256
"""Letters that wait for a server: 3 MiB at most."""


class LetterNotTaken(ApplianceError):
    """The member does not answer, has no such server, or that one has no room."""

    exit_code = ExitCode.RETRY
    retryable = True


class LettersPart:
    """The part."""

    problem = ""

    def __init__(self, around: Around) -> None:
        self._boxes: dict[str, asyncio.Queue[tuple[str, bytes] | None]] = {}
        """Of servers that read; None: no more will come."""
        self._ended = False
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._machine = Letters(self._takes)
        self._hosted = Hosted(NAME, self._machine, around.mesh, around.judged, LIMITS, self._after)

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """One family."""
        yield self._hosted.kind

    def status(self) -> Mapping[str, Any]:
        """In figures."""
        return {"servers": sorted(self._boxes), **self._machine.counters, **self._hosted.counters}

    async def start(self) -> None:
        """Nothing is to be read."""

    async def close(self) -> None:
        """Who waits hears that nothing comes."""
        self._ended = True
        self._hosted.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(False)
        for box in self._boxes.values():
            if not box.full():  # who has so much to read does not wait
                box.put_nowait(None)

    async def send(self, box: str, identity: str, content: bytes) -> None:
        """To the server of that name on that member. Raises LetterNotTaken, and ValueError for what is no letter."""
        member = digest_of_text(identity)
        if len(content) > MOST_CONTENT:
            raise ValueError(f"a letter has {MOST_CONTENT} bytes at most")
        if self._ended:
            raise LetterNotTaken("this node's letters end", hint="try again when the node runs, and has a server")
        number = self._hosted.do(lambda _now, _wall: self._machine.send(box, member, content))
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            taken = await waiting
        finally:
            del self._waiting[number]
        if not taken:
            raise LetterNotTaken("the member did not take it", hint="does it run, and the same server there?")

    async def read(self, box: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """Letters to the server of that name, each with the identity of its sender, until the part ends. Whoever reads last gets
        them."""
        own: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue(MOST_WAITING)
        self._boxes[box] = own
        try:
            while not (self._ended and own.empty()):
                letter = await own.get()
                if letter is not None:
                    yield letter
        finally:
            if self._boxes.get(box) is own:
                del self._boxes[box]

    def _takes(self, box: str) -> bool:
        found = self._boxes.get(box)
        return found is not None and not found.full()

    def _after(self) -> None:
        came, self._machine.came = self._machine.came, []
        for letter in came:
            self._boxes[letter.box].put_nowait((identity_text(letter.member), letter.content))
        outcomes, self._machine.outcomes = self._machine.outcomes, []
        for number, taken in outcomes:
            if (waiting := self._waiting.get(number)) is not None and not waiting.done():
                waiting.set_result(taken)
