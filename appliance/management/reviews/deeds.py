"""What may be done to a review, by whom, and what it is afterwards."""

from __future__ import annotations

from typing import Final

from appliance.errors import ApplianceError, ExitCode
from appliance.management.reviews.review import (
    MOST_MESSAGES,
    MOVES,
    OVER,
    RESERVED,
    Deed,
    Kind,
    Message,
    Review,
    State,
    Who,
)

NOBODY: Final = Who("")
"""The API server itself."""


class ReviewClosed(ApplianceError):
    """What was asked does not fit where the review stands."""


class OwnReview(ApplianceError):
    """Nobody approves or rejects his own."""

    exit_code = ExitCode.PERMISSION


class NotTheAuthor(ApplianceError):
    """Only the author may do that."""

    exit_code = ExitCode.PERMISSION


class ReviewFull(ApplianceError):
    """There is no room for another comment."""


def comment(review: Review, by: Who, now: int, text: str) -> Review:
    """Say something. Raises ReviewFull."""
    if len(review.messages) >= MOST_MESSAGES - RESERVED:
        raise ReviewFull(f"a review has {MOST_MESSAGES} messages at most", hint="open another one, and name this one in it")
    return _said(review, by, now, Deed.COMMENT, text)


def approve(review: Review, by: Who, now: int, text: str = "") -> Review:
    """Agree that it happens; with enough who do, it is approved. Doing so twice is doing so once."""
    _must_be_a_change(review)
    if by.id == review.author_id:
        raise OwnReview("nobody approves his own change", hint="ask somebody else who may approve")
    if by.id in review.approved_ids and review.state in {State.OPEN, State.APPROVED}:
        return review
    _next(review, Deed.APPROVE, now)
    agreed = _said(review, by, now, Deed.APPROVE, text)._replace(
        approved_by=(*review.approved_by, by.name), approved_ids=(*review.approved_ids, by.id)
    )
    return agreed._replace(state=State.APPROVED) if len(agreed.approved_by) >= review.needs else agreed


def reject(review: Review, by: Who, now: int, text: str = "") -> Review:
    """Say that it must not happen. One is enough."""
    _must_be_a_change(review)
    if by.id == review.author_id:
        raise OwnReview("nobody rejects his own change", hint="withdraw it")
    return _moved(review, by, now, Deed.REJECT, text)


def withdraw(review: Review, by: Who, now: int, text: str = "") -> Review:
    """Take it back."""
    _must_be_a_change(review)
    if by.id != review.author_id:
        raise NotTheAuthor("only its author withdraws a review", hint="reject it, if you may approve")
    return _moved(review, by, now, Deed.WITHDRAW, text)


def resolve(review: Review, by: Who, now: int, text: str = "") -> Review:
    """An incident is over."""
    if review.kind != Kind.INCIDENT:
        raise ReviewClosed("a change is not resolved", hint="apply it, or withdraw it")
    return _moved(review, by, now, Deed.RESOLVE, text)


def begin_to_apply(review: Review, by: Who, now: int) -> Review:
    """From now on nobody else applies it."""
    _must_be_a_change(review)
    return _moved(review, by, now, Deed.APPLY, "")


def applied(review: Review, by: Who, now: int, text: str) -> Review:
    """It has happened."""
    return _moved(review, by, now, Deed.APPLIED, text)


def failed(review: Review, by: Who, now: int, text: str) -> Review:
    """It did not happen, and may be tried again."""
    return _moved(review, by, now, Deed.FAILED, text)


def void(review: Review, now: int, text: str) -> Review:
    """What would be done is not what it was about."""
    return _said(review, NOBODY, now, Deed.VOID, text)._replace(state=State.VOID)


def aged(review: Review, now: int) -> Review:
    """The same, void if its time is over."""
    if review.expires and now >= review.expires and review.state in {State.OPEN, State.APPROVED}:
        return void(review, now, "its time is over")
    return review


def _must_be_a_change(review: Review) -> None:
    if review.kind != Kind.CHANGE:
        raise ReviewClosed("an incident has nothing to approve or apply", hint="open a review of the change")


def _moved(review: Review, by: Who, now: int, deed: Deed, text: str) -> Review:
    return _said(review, by, now, deed, text)._replace(state=_next(review, deed, now))


def _next(review: Review, deed: Deed, now: int) -> State:
    """Raises ReviewClosed."""
    found = MOVES.get((State(aged(review, now).state), deed))
    if found is None:
        state = aged(review, now).state
        hint = "open a new review" if state in OVER else "look at it again"
        raise ReviewClosed(f"the review is {state}: {deed} is not possible", hint=hint)
    return found


def _said(review: Review, by: Who, now: int, deed: Deed, text: str) -> Review:
    message = Message(review.said + 1, by.name, now, deed, text)
    return review._replace(messages=(*review.messages, message)[-MOST_MESSAGES:], said=review.said + 1)
