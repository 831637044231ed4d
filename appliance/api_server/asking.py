"""Asks the node for callers. What many ask at once is asked once, where the row says that an answer is fresh for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

from appliance.control.messages import OnBehalf
from appliance.management.operations.row import Arguments, Page, Row

MOST_KEPT: Final = 256
"""Answers that are remembered."""


class Ask(Protocol):
    """`NodeLink.ask`."""

    def __call__(self, op: str, arguments: dict[str, Any], whose: OnBehalf | None, seconds: float, /) -> Coroutine[Any, Any, Any]:
        """The node's answer."""


class _Key(NamedTuple):
    row: str
    arguments: str
    name: str
    roles: tuple[str, ...]


class Asking:
    """`now` in seconds, of any clock that only goes forward."""

    def __init__(self, ask: Ask, now: Callable[[], float]) -> None:
        self._ask = ask
        self._now = now
        self._kept: dict[_Key, tuple[float, asyncio.Task[Any]]] = {}

    async def answer(self, row: Row, arguments: Arguments, whose: OnBehalf) -> Any:
        """The node's answer to an operation, a list cut into pages. Raises what the node says, and TimeoutError."""
        answer = await self._fresh(row, _wanted(row, arguments), whose)
        return _page(answer, row.listed_by, arguments) if row.listed_by and isinstance(arguments, Page) else answer

    async def whole(self, row: Row, whose: OnBehalf) -> Any:
        """The node's answer to an operation without arguments, a list in one piece. Raises as `answer`."""
        return await self._fresh(row, {}, whose)

    async def _fresh(self, row: Row, wanted: dict[str, Any], whose: OnBehalf) -> Any:
        if not row.fresh:
            return await self._ask(row.name, wanted, whose, row.seconds)
        key = _Key(row.name, repr(wanted), whose.name, whose.roles)
        kept = self._kept.get(key)
        if kept is None or kept[0] < self._now():
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            asking = asyncio.get_running_loop().create_task(self._ask(row.name, wanted, whose, row.seconds), name=row.name)
            asking.add_done_callback(_seen)
            kept = self._kept[key] = self._now() + row.fresh, asking
        return await asyncio.shield(kept[1])  # one caller that goes does not take the answer from the others


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
