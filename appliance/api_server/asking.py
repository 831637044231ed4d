"""Asks the node for callers. What many ask at once is asked once, and written once, where the row says that an answer is fresh
for a moment. While the node does not answer, nobody waits for it, and what it said last is told as old.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

from appliance.api_server.breaker import Breaker, NodeSilent
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.management.operations.row import Arguments, Page, Row

MOST_KEPT: Final = 256
"""Answers that are remembered."""
MOST_PAGES: Final = 16
"""Pages of one answer that are remembered as they were written."""
OLDEST: Final = 300.0
"""Seconds: what is older says nothing of a node any more."""
NEVER_OLD: Final = frozenset({"health"})
"""Who asks whether the node is well is not to hear that it was."""


class Ask(Protocol):
    """`NodeLink.ask`."""

    def __call__(self, op: str, arguments: dict[str, Any], whose: OnBehalf | None, seconds: float, /) -> Coroutine[Any, Any, Any]:
        """The node's answer."""


class _Key(NamedTuple):
    row: str
    arguments: str
    name: str
    roles: tuple[str, ...]


class Told(NamedTuple):
    """An answer, written as JSON."""

    body: bytes
    age: float | None = None
    """Seconds. None: it is as good as new. Otherwise the node does not answer now, and this is what it said last."""


class _Kept:
    """An answer that one caller may have again."""

    def __init__(self, at: float, fresh: float, asking: asyncio.Task[Any], before: _Kept | None) -> None:
        self.at = at
        self.until = at + fresh
        self.asking = asking
        self.before = before
        """The last one that came."""
        self._written: dict[str, bytes] = {}

    @property
    def last(self) -> _Kept | None:
        """The newest that came."""
        came = self.asking.done() and not self.asking.cancelled() and self.asking.exception() is None
        return self if came else self.before

    def body(self, listed_by: str, page: Page | None) -> bytes:
        """As JSON, written once for all who ask for this page of it."""
        key = "" if page is None else f"{page.after} {page.size}"
        found = self._written.get(key)
        if found is None:
            answer = self.asking.result()
            found = written(answer if page is None else _page(answer, listed_by, page))
            if len(self._written) < MOST_PAGES:
                self._written[key] = found
        return found


class Asking:
    """`now` in seconds, of any clock that only goes forward."""

    def __init__(self, ask: Ask, now: Callable[[], float]) -> None:
        self._ask = ask
        self._now = now
        self._breaker = Breaker()
        self._kept: dict[_Key, _Kept] = {}
        self._old = 0

    def heard(self) -> None:
        """The node answered something that was asked elsewhere."""
        self._breaker.heard_of(self._now())

    async def ask(self, op: str, arguments: dict[str, Any], whose: OnBehalf | None, seconds: float, /) -> Any:
        """As the node is asked, but at once NodeSilent while it does not answer."""
        question = self._breaker.begin(self._now())
        try:
            answer = await self._ask(op, arguments, whose, seconds)
        except TimeoutError:
            self._breaker.missed(question, self._now())
            raise
        except ApplianceError:
            self._breaker.heard(question, self._now())
            raise
        except BaseException:
            self._breaker.given_up(question)
            raise
        self._breaker.heard(question, self._now())
        return answer

    async def answer(self, row: Row, arguments: Arguments, whose: OnBehalf) -> Any:
        """The node's answer to an operation, a list cut into pages. Raises what the node says, NodeSilent, and TimeoutError."""
        answer = await self._fresh(row, _wanted(row, arguments), whose)
        return _page(answer, row.listed_by, arguments) if row.listed_by and isinstance(arguments, Page) else answer

    async def told(self, row: Row, arguments: Arguments, whose: OnBehalf) -> Told:
        """The same, written. While the node does not answer, it is what it said last, if that may be old. Raises as `answer`."""
        if not row.fresh:
            return Told(written(await self.answer(row, arguments, whose)))
        page = arguments if row.listed_by and isinstance(arguments, Page) else None
        kept = self._kept_for(row, _wanted(row, arguments), whose)
        try:
            await asyncio.shield(kept.asking)
        except (NodeSilent, TimeoutError):
            old = kept.before
            if old is None or row.name in NEVER_OLD or self._now() - old.at > OLDEST:
                raise
            self._old += 1
            return Told(old.body(row.listed_by, page), self._now() - old.at)
        return Told(kept.body(row.listed_by, page))

    async def whole(self, row: Row, whose: OnBehalf) -> Any:
        """The node's answer to an operation without arguments, a list in one piece. Raises as `answer`."""
        return await self._fresh(row, {}, whose)

    def shown(self) -> dict[str, Any]:
        """How the node answers."""
        breaker = self._breaker
        return {"state": breaker.state, "opened": breaker.opened, "refused": breaker.refused, "old": self._old}

    async def _fresh(self, row: Row, wanted: dict[str, Any], whose: OnBehalf) -> Any:
        if not row.fresh:
            return await self.ask(row.name, wanted, whose, row.seconds)
        return await asyncio.shield(self._kept_for(row, wanted, whose).asking)

    def _kept_for(self, row: Row, wanted: dict[str, Any], whose: OnBehalf) -> _Kept:
        """One caller that goes does not take the answer from the others."""
        key = _Key(row.name, repr(wanted), whose.name, whose.roles)
        kept, now = self._kept.get(key), self._now()
        if kept is None or kept.until < now:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            asking = asyncio.get_running_loop().create_task(self.ask(row.name, wanted, whose, row.seconds), name=row.name)
            asking.add_done_callback(_seen)
            last = None if kept is None else kept.last
            if last is not None:
                last.before = None  # what came before it is of no use any more
            kept = self._kept[key] = _Kept(now, row.fresh, asking, last)
        return kept


def written(answer: Any) -> bytes:
    """As JSON."""
    return json.dumps(answer, ensure_ascii=False, default=str).encode()


def _wanted(row: Row, arguments: Arguments) -> dict[str, Any]:
    """What the node is asked: what was written, without what is the API server's own matter."""
    said = arguments.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {name: value for name, value in said.items() if not (row.listed_by and name in Page.model_fields)}


def _page(answer: Any, key: str, page: Page) -> dict[str, Any]:
    """A page of a list, ordered by `key` and then as the node has it. The cursor is the number of an item: a list that changes
    between two pages may repeat or skip one."""
    items = sorted(answer, key=lambda item: str(item.get(key, "")))
    start = int(page.after) if page.after.isascii() and page.after.isdigit() and len(page.after) < 10 else 0
    end = start + page.size
    return {"items": items[start:end], "next": str(end) if end < len(items) else ""}


def _seen(asking: asyncio.Future[Any]) -> None:
    if not asking.cancelled():
        asking.exception()  # nobody may be left who takes it
