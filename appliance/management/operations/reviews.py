"""Rows about reviews. The API server keeps them; the node makes the plan, and applies it."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from appliance.management.operations.node_models import Plan
from appliance.management.operations.row import AnsweredBy, Arguments, Page, Result, Row, Verb
from appliance.management.reviews.review import LASTS, MOST_TEXT, MOST_TITLE


class OpenReview(Arguments):
    """What is to be reviewed."""

    kind: Literal["change", "incident"] = Field(
        default="change", description="change: what reloading the profile on disk would do. incident: a conversation."
    )
    title: str = Field(min_length=1, max_length=MOST_TITLE)
    text: str = Field(default="", max_length=MOST_TEXT, description="The first message.")
    lasts: int = Field(
        default=LASTS, ge=60, le=30 * 24 * 3600, description="Seconds for which a change may be approved and applied."
    )
    approvals: int = Field(default=1, ge=1, le=5, description="How many have to approve.")


class WhichReview(Arguments):
    """Which review."""

    review: str = Field(max_length=32)


class Said(WhichReview):
    """A message."""

    text: str = Field(min_length=1, max_length=MOST_TEXT)


class Decision(WhichReview):
    """A decision, and why."""

    text: str = Field(default="", max_length=MOST_TEXT)
    plan: str | None = Field(
        default=None, max_length=64, description="The name of the plan that was looked at: another one is refused."
    )


class ApplyReview(WhichReview):
    """How it is applied."""

    confirm_within: float | None = Field(
        default=None, gt=0, le=86400, description="Seconds within which it has to be confirmed, or it is taken back."
    )


class ReviewMessage(Result):
    """One message."""

    number: int = Field(description="From 1 on, in the review.")
    by: str = Field(description="The user; empty for the API server itself.")
    at: int = Field(description="Unix seconds.")
    deed: str = Field(description="comment, approve, reject, withdraw, apply, applied, failed, void or resolve.")
    text: str


class ReviewHead(Result):
    """A review in a list."""

    id: str
    kind: str
    title: str
    author: str = Field(description="The user's name.")
    author_id: str = Field(description="By which the user is known, also when somebody else has the name.")
    created: int = Field(description="Unix seconds.")
    expires: int = Field(description="Unix seconds; 0 for never.")
    state: str = Field(description="open, approved, applying, applied, rejected, withdrawn, void or resolved.")
    needs: int = Field(description="How many have to approve.")
    approved_by: list[str] = Field(description="Their names.")
    approved_ids: list[str]
    said: int = Field(description="How many messages there were.")


class Review(ReviewHead):
    """A review."""

    messages: list[ReviewMessage]
    plan: Plan | None = Field(description="What would be done; null for an incident.")


class Reviews(Result):
    """Reviews, the newest first."""

    items: list[ReviewHead]
    next: str


class Applied(Result):
    """A review that was applied, and what the node said."""

    review: Review
    node: dict[str, Any]


_TAG: Final = "Reviews"


def _row(name: str, summary: str, permission: str, verb: Verb, path: str, result: type[Result], **more: Any) -> Row:
    return Row(
        f"reviews.{name}", summary, _TAG, permission, verb, f"/reviews{path}", result, answered_by=AnsweredBy.SERVER, **more
    )


def _decision(name: str, summary: str, permission: str) -> Row:
    return _row(
        name, summary, permission, Verb.POST, f"/{{review}}/{name}", Review, arguments=Decision, fails=(404, 409),
        example={"review": "e68bd0a2c41f0a3c", "text": "looks right"},
    )  # fmt: skip


ROWS: Final = (
    _row("list", "reviews, the newest first", "reviews.read", Verb.GET, "", Reviews, arguments=Page),
    _row(
        "open", "ask for a review", "reviews.write", Verb.POST, "", Review, arguments=OpenReview, success=201, fails=(409,),
        example={"title": "smaller MTU", "text": "the tunnel over LTE loses large packets"},
    ),
    _row(
        "get", "a review with its plan and messages", "reviews.read", Verb.GET, "/{review}", Review, arguments=WhichReview,
        fails=(404,), example={"review": "e68bd0a2c41f0a3c"},
    ),
    _row(
        "comment", "say something about it", "reviews.write", Verb.POST, "/{review}/comment", Review, arguments=Said,
        fails=(404, 409), example={"review": "e68bd0a2c41f0a3c", "text": "why now?"},
    ),
    _decision("approve", "agree that it happens", "reviews.approve"),
    _decision("reject", "say that it must not happen", "reviews.approve"),
    _decision("withdraw", "take one's own back", "reviews.write"),
    _decision("resolve", "an incident is over", "reviews.write"),
    _row(
        "apply", "do what was approved", "node.change", Verb.POST, "/{review}/apply", Applied, arguments=ApplyReview,
        fails=(404, 409), seconds=120.0, example={"review": "e68bd0a2c41f0a3c", "confirm_within": 60},
    ),
)  # fmt: skip
