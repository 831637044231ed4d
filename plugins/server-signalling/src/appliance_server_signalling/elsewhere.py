"""Peers at the servers of other members: they are found in the network's hash table, and what is for them goes there in letters.

here ──"bob" is not here──▶ who says to have him? ──letter──▶ the server there ──▶ bob
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

from appliance.api.management import ApplianceError
from appliance.api.servers import ServerServices
from appliance_server_signalling import messages
from appliance_server_signalling.switchboard import Link, Switchboard

KEY: Final = "signalling:"
"""What stands before an id in the hash table."""
ANNOUNCED_SECONDS: Final = 3600.0
RENEW_SECONDS: Final = ANNOUNCED_SECONDS / 2
MOST_ANNOUNCED: Final = 200
"""A member keeps 256 records of one writer."""
PACE: Final = 1.0
"""Seconds between two announcements."""
AGAIN_SECONDS: Final = 30.0
"""Until announcing, or hearing letters, is tried again."""
FOUND_SECONDS, MISSED_SECONDS = 60.0, 5.0
"""For how long it is remembered where a peer is, and that nobody has it."""
MOST_REMEMBERED: Final = 4096
MOST_SOUGHT: Final = 128
"""Peers that are looked for at a time, and answers that are on their way."""
MOST_WAITING: Final = 32
"""Messages for one of them."""
MOST_PLACES: Final = 3
"""Members that are tried for one peer."""


class Elsewhere:
    """`act` does what the switchboard wants, `now` gives seconds."""

    def __init__(self, services: ServerServices, board: Switchboard, act: Callable[[], None], now: Callable[[], float]) -> None:
        self._services = services
        self._board = board
        self._act = act
        self._now = now
        self._changed: dict[str, None] = {}
        """Ids that came or went since they were announced last."""
        self._announced: OrderedDict[str, float] = OrderedDict()
        """When each is to be announced again, the first one first."""
        self._others: dict[str, None] = {}
        """Who is here, and is not announced since too many are."""
        self._places: OrderedDict[str, tuple[Sequence[str], float]] = OrderedDict()
        """Members that have a peer, and until when that is believed."""
        self._outgoing: dict[str, deque[tuple[Link, str]]] = {}
        """What waits for each peer that is looked for; "" asks only whether it is there."""
        self._replies = 0

    def appeared(self, peer: str) -> None:
        """It is here."""
        self._changed[peer] = None

    def vanished(self, peer: str) -> None:
        """It is not here any more."""
        self._others.pop(peer, None)
        if peer in self._announced:
            self._changed[peer] = None
        else:
            self._changed.pop(peer, None)

    def seek(self, link: Link, to: str, text: str) -> None:
        """Have that brought to a peer who is not here; "": is it anywhere?"""
        waiting = self._outgoing.get(to)
        if waiting is None and len(self._outgoing) < MOST_SOUGHT:
            waiting = self._outgoing[to] = deque()
            self._services.spawn(self._bring(to, waiting), "bring messages to another member")
        if waiting is None or len(waiting) >= MOST_WAITING:
            self._board.counted["not_sought"] += 1
            self._board.missed(link, to, text)
        else:
            waiting.append((link, text))

    async def announce(self) -> None:
        """Tell the hash table who is here, one a second, for ever."""
        while True:
            await asyncio.sleep(PACE)
            try:
                await self._announce_one()
            except (ApplianceError, TimeoutError):
                await asyncio.sleep(AGAIN_SECONDS)

    async def listen(self) -> None:
        """Take letters, for ever."""
        while True:
            try:
                async for member, content in self._services.letters():
                    self._take(member, content)
            except (ApplianceError, TimeoutError):
                pass
            await asyncio.sleep(AGAIN_SECONDS)

    async def _announce_one(self) -> None:
        while self._changed:
            peer = next(iter(self._changed))
            here, told = self._board.is_here(peer), peer in self._announced
            if here and not told and len(self._announced) < MOST_ANNOUNCED:
                await self._services.provide(KEY + peer, ANNOUNCED_SECONDS)
                self._announced[peer] = self._now() + RENEW_SECONDS
            elif told and not here:
                await self._services.provide(KEY + peer, 0)
                del self._announced[peer]
                if (other := next(iter(self._others), None)) is not None:
                    del self._others[other]
                    self._changed[other] = None
            else:
                del self._changed[peer]
                if here and not told:
                    self._others[peer] = None
                continue
            self._changed.pop(peer, None)
            if self._board.is_here(peer) != (peer in self._announced):
                self._changed[peer] = None  # it came or went meanwhile
            return
        if self._announced and (first := next(iter(self._announced.items())))[1] <= self._now():
            await self._services.provide(KEY + first[0], ANNOUNCED_SECONDS)
            self._announced[first[0]] = self._now() + RENEW_SECONDS
            self._announced.move_to_end(first[0])

    async def _bring(self, to: str, waiting: deque[tuple[Link, str]]) -> None:
        """One after the other, so that a candidate does not overtake its offer."""
        try:
            places = await self._where(to)
            while waiting:
                link, text = waiting[0]
                if text == "":
                    self._board.looked(link, to, found=bool(places))
                elif not await self._sent(places, to, text):
                    self._places.pop(to, None)
                    self._board.missed(link, to, text)
                waiting.popleft()
                self._act()
        finally:
            del self._outgoing[to]
            for link, text in waiting:
                self._board.missed(link, to, text)
            self._act()

    async def _where(self, peer: str) -> Sequence[str]:
        known = self._places.get(peer)
        if known is not None and known[1] > self._now():
            return known[0]
        try:
            found = (await self._services.providers(KEY + peer))[:MOST_PLACES]
        except (ApplianceError, TimeoutError):
            found = []
        self._remember(peer, found, FOUND_SECONDS if found else MISSED_SECONDS)
        return found

    def _remember(self, peer: str, places: Sequence[str], seconds: float) -> None:
        self._places[peer] = places, self._now() + seconds
        self._places.move_to_end(peer)
        if len(self._places) > MOST_REMEMBERED:
            self._places.popitem(last=False)

    async def _sent(self, places: Sequence[str], to: str, text: str) -> bool:
        content = messages.letter(to, text)
        for member in places:
            try:
                await self._services.send(member, content)
            except (ApplianceError, TimeoutError, ValueError):
                continue
            self._board.counted["sent_elsewhere"] += 1
            return True
        return False

    def _take(self, member: str, content: bytes) -> None:
        try:
            passed = messages.opened(content)
        except ValueError:
            self._board.counted["bad_letter"] += 1
            return
        if passed.absent is not None:
            self._places.pop(passed.absent, None)
            self._board.absent(passed.to, passed.absent)
        elif passed.message is not None:
            sender = passed.message.sender
            if self._board.arrived(passed.to, passed.message.model_dump(mode="json", by_alias=True, exclude_unset=True)):
                self._remember(sender, [member], FOUND_SECONDS)
                self._board.counted["came_from_elsewhere"] += 1
            elif self._replies < MOST_SOUGHT:
                self._replies += 1
                self._services.spawn(self._reply(member, messages.absent(sender, passed.to)), "say that a peer is not here")
        self._act()

    async def _reply(self, member: str, content: bytes) -> None:
        try:
            await self._services.send(member, content)
        except (ApplianceError, TimeoutError):
            self._board.counted["not_sought"] += 1
        finally:
            self._replies -= 1
