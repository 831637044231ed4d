"""The reviews of a node. Who decides is whoever was first: each change is written only if the review is as it was read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from appliance.api.stores import MOST_VALUE, Append, Change, Conflict, Put, Record, Store, StoreAway
from appliance.errors import ApplianceError, ExitCode
from appliance.management.reviews import deeds
from appliance.management.reviews.deeds import NOBODY, ReviewClosed, ReviewFull
from appliance.management.reviews.review import MOST_TEXT, OVER, Deed, Kind, Review, State, Who

SPACE: Final = "reviews"
TOPIC: Final = "reviews"
AGAIN: Final = 8
"""So often a decision is made anew because somebody else was faster."""
NEWEST_FIRST: Final = 1 << 48
"""Keys are this less the milliseconds of creation: so the newest come first."""
MOST_PLAN: Final = MOST_VALUE // 4
MOST_SAID: Final = MOST_VALUE // 2
"""Bytes of a review with its plan, as it is kept: a comment beyond that is refused. For a decision the oldest messages make room,
so that talk never keeps one from being written down."""
KEPT: Final = 90 * 24 * 3600
"""Seconds for which a review that is over can be looked at."""
FINISH_TRIES: Final = 60
TRY_AGAIN: Final = 1.0
"""Seconds between two tries of a store that is away."""
AT_A_TIME: Final = 20
"""Reviews that are read at a time: each may have MOST_SAID."""
MOVED: Final = "PlanMoved"
"""The node's code for a plan that is another now."""


class ReviewUnknown(ApplianceError):
    """There is no such review."""

    exit_code = ExitCode.INVALID


class Told(Protocol):
    """The event log."""

    def change(self, kind: str, data: Mapping[str, Any]) -> Append:
        """An event as part of a commit."""

    def committed(self) -> None:
        """It was committed."""


Plan = Callable[[], Awaitable[Mapping[str, Any]]]
"""Asks the node, for the author, what would change now."""
Apply = Callable[[str], Awaitable[Mapping[str, Any]]]
"""Asks the node, for whoever applies, to do what that plan says."""


class Opening(NamedTuple):
    """A review to be opened."""

    kind: Kind
    title: str
    text: str
    lasts: int
    """Seconds; 0 for ever, for an incident."""
    needs: int


class Reviews:
    """`now` gives Unix seconds, `entropy` random bytes."""

    def __init__(
        self, store: Store, told: Told, now: Callable[[], float], entropy: Callable[[int], bytes], server: str = ""
    ) -> None:
        """`server`: the name of this API server among those of the store."""
        self._server = server
        self._store = store
        self._told = told
        self._now = now
        self._entropy = entropy

    async def open(self, opening: Opening, author: Who, plan: Plan) -> Review:
        """Begin one. Raises what the node says to `plan`, and NothingToReview."""
        about = dict(await plan()) if opening.kind is Kind.CHANGE else None
        if about is not None and not about["changed"] and not about["steps"]:
            raise NothingToReview("the profile on disk is what the node runs", hint="change the profile first")
        now = int(self._now())
        review = Review(
            f"{NEWEST_FIRST - int(self._now() * 1000):012x}{self._entropy(2).hex()}",
            opening.kind,
            opening.title,
            author.name,
            author.id,
            now,
            now + opening.lasts if opening.lasts else 0,
            State.OPEN,
            opening.needs,
            (),
            (),
            (),
            about,
            server=self._server,
        )
        if len(_text(review)) > MOST_PLAN:
            raise PlanTooLarge(
                f"a plan of {len(review.plan['steps']) if review.plan else 0} steps is too large to be kept",
                hint="look at it with `appliance plan`",
            )
        if opening.text:
            review = deeds.comment(review, author, now, opening.text)
        await self._save(review, 0, "opened", author)
        return review

    async def get(self, number: str) -> Review:
        """Raises ReviewUnknown."""
        return (await self._read(number))[0]

    async def page(self, after: str, size: int) -> tuple[list[Review], str]:
        """The newest first, without plans and messages, and the cursor behind them ("" at the end)."""
        found: list[Review] = []
        while len(found) <= size and (records := await self._store.scan(SPACE, after=after, limit=AT_A_TIME)):
            found += [_head(deeds.aged(_review(record), int(self._now()))) for record in records]
            after = records[-1].key
        return found[:size], found[size - 1].id if len(found) > size else ""

    async def change(self, number: str, by: Who, what: str, deed: Callable[[Review, int], Review]) -> Review:
        """Do something to a review, anew if somebody else was faster. Raises what `deed` raises, ReviewUnknown, Conflict."""
        for _ in range(AGAIN):
            before, version = await self._read(number)
            after = deed(before, int(self._now()))
            if after == before:
                return before
            try:
                await self._save(after, version, what, by)
            except Conflict:
                continue
            return after
        raise Conflict("many change this review at once", hint="look at it again, and try once more")

    async def apply(self, number: str, by: Who, apply: Apply) -> tuple[Review, Mapping[str, Any]]:
        """Have the node do what was approved. What it says, and the review afterwards. Raises OtherNode; what the node says, and
        then the review is void if the plan is another now, and approved still if not."""
        found = await self.get(number)
        if found.server not in {self._server, ""}:
            raise OtherNode(
                f"the review is about a change of another node ({found.server})", hint="apply it by the API server of that node"
            )
        review = await self.change(number, by, "applying", lambda found, now: deeds.begin_to_apply(found, by, now))
        assert review.plan is not None
        try:
            done = await apply(str(review.plan["name"]))
        except ApplianceError as error:
            reason = error.message[:MOST_TEXT]
            if error.code == MOVED:
                await self.change(number, by, "void", lambda found, now: deeds.void(found, now, reason))
            else:
                await self.change(number, by, "failed", lambda found, now: deeds.failed(found, by, now, reason))
            raise
        except BaseException:
            await self.change(
                number, by, "failed", lambda found, now: deeds.failed(found, by, now, "it is not known how it ended")
            )
            raise
        steps = f"{len(done.get('steps', ()))} steps"
        return await self._finish(number, by, "applied", lambda found, now: deeds.applied(found, by, now, steps)), done

    async def _finish(self, number: str, by: Who, what: str, deed: Callable[[Review, int], Review]) -> Review:
        """As `change`, for what has happened already: a store that is away is waited for."""
        for _ in range(FINISH_TRIES):
            try:
                return await self.change(number, by, what, deed)
            except StoreAway:
                await asyncio.sleep(TRY_AGAIN)
            except ReviewClosed:
                found = await self.get(number)
                if found.state == State.APPLIED:  # by a commit whose answer was lost
                    return found
                raise
        return await self.change(number, by, what, deed)

    async def recover(self, server: str) -> None:
        """After that API server has ended: what it was applying may have happened or not; the plan's name tells, as a plan that
        has happened is another one."""
        after = ""
        while records := await self._store.scan(SPACE, after=after, limit=AT_A_TIME):
            for record in records:
                review = _review(record)
                if review.state == State.APPLYING and review.server in {server, ""}:
                    ended = "the API server ended meanwhile: apply it again, which does nothing twice"
                    with suppress(Conflict):  # another one did the same
                        await self._save(deeds.failed(review, NOBODY, int(self._now()), ended), record.version, "failed", NOBODY)
            after = records[-1].key

    async def _read(self, number: str) -> tuple[Review, int]:
        record = await self._store.get(SPACE, number) if len(number) <= 32 else None
        if record is None:
            raise ReviewUnknown("there is no such review", hint="see: appliance api reviews.list")
        return deeds.aged(_review(record), int(self._now())), record.version

    async def _save(self, review: Review, version: int, what: str, by: Who) -> None:
        event = {"review": review.id, "what": what, "by": by.name, "state": review.state, "messages": review.said}
        text = _text(review)
        if what == Deed.COMMENT and len(text) > MOST_SAID:
            raise ReviewFull("the review has no room for that", hint="open another one, and name this one in it")
        while len(text) > MOST_SAID and len(review.messages) > 1:
            review = review._replace(messages=review.messages[len(review.messages) // 8 + 1 :])
            text = _text(review)
        expires = int(self._now()) + KEPT if review.state in OVER else None
        changes: list[Change] = [
            Put(SPACE, review.id, text, version, expires),
            self._told.change(f"{TOPIC}.{what}", event),
        ]
        await self._store.commit(*changes)
        self._told.committed()


class OtherNode(ApplianceError):
    """The change that the review is about is one of another node, which shares the store."""


class PlanTooLarge(ApplianceError):
    """The plan does not fit into the store."""


class NothingToReview(ApplianceError):
    """Nothing would change."""


def _head(review: Review) -> Review:
    """Without what makes it large."""
    return review._replace(messages=(), plan=None)


def _text(review: Review) -> bytes:
    return json.dumps(review.document(), ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def _review(record: Record) -> Review:
    return Review.of(json.loads(record.value))
