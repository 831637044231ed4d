"""Carries out the rows about reviews."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.api_server.answering import Call, Handler
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Forbidden
from appliance.api_server.reviews.reviews import Opening, Reviews
from appliance.management.operations.node_models import Reload
from appliance.management.operations.row import Arguments, Nothing
from appliance.management.operations.table import BY_NAME
from appliance.management.reviews import deeds
from appliance.management.reviews.deeds import ReviewClosed
from appliance.management.reviews.review import Kind, Review, Who

Deciding = Callable[[Review, Who, int, str], Review]

_DECISIONS: Final[Mapping[str, Deciding]] = {
    "comment": deeds.comment,
    "approve": deeds.approve,
    "reject": deeds.reject,
    "withdraw": deeds.withdraw,
    "resolve": deeds.resolve,
}


def handlers(reviews: Reviews, asking: Asking, permitted: Callable[[Caller, str], bool]) -> dict[str, Handler]:
    """By the rows' names."""

    async def asked_for(call: Call, operation: str, arguments: Arguments) -> Any:
        """The node's answer. It knows the caller's roles only: whether his token may ask this as well is judged here."""
        row = BY_NAME[operation]
        if not permitted(call.caller, row.permission):
            raise Forbidden(f"this needs another permission too ({row.permission})", hint="make a token with this scope")
        return await asking.answer(row, arguments, call.caller.on_behalf(call.id))

    async def list_(call: Call) -> Any:
        found, cursor = await reviews.page(call.arguments.after, call.arguments.size)
        heads = [{name: value for name, value in _shown(each).items() if name not in {"messages", "plan"}} for each in found]
        return {"items": heads, "next": cursor}

    async def open_(call: Call) -> Any:
        asked = call.arguments
        kind = Kind(asked.kind)
        lasts = asked.lasts if kind is Kind.CHANGE else 0
        opening = Opening(kind, asked.title, asked.text, lasts, asked.approvals)

        async def plan() -> Any:
            return await asked_for(call, "plan", Nothing())

        return _shown(await reviews.open(opening, _who(call), plan))

    async def get(call: Call) -> Any:
        return _shown(await reviews.get(call.arguments.review))

    async def apply(call: Call) -> Any:
        async def reload(plan: str) -> Any:
            wanted = {"plan": plan, **call.arguments.model_dump(include={"confirm_within"}, exclude_none=True)}
            return await asked_for(call, "reload", Reload.model_validate(wanted))

        review, done = await reviews.apply(call.arguments.review, _who(call), reload)
        return {"review": _shown(review), "node": done}

    decisions = {f"reviews.{name}": _decision(reviews, name, decide) for name, decide in _DECISIONS.items()}
    return {"reviews.list": list_, "reviews.open": open_, "reviews.get": get, "reviews.apply": apply, **decisions}


def _decision(reviews: Reviews, name: str, decide: Deciding) -> Handler:
    async def answer(call: Call) -> Any:
        asked, by = call.arguments, _who(call)

        def deed(review: Review, now: int) -> Review:
            looked_at = getattr(asked, "plan", None)
            if looked_at is not None and (review.plan is None or review.plan["name"] != looked_at):
                raise ReviewClosed("this review is about another plan", hint="look at it again")
            return decide(review, by, now, asked.text)

        return _shown(await reviews.change(asked.review, by, name, deed))

    return answer


def _shown(review: Review) -> dict[str, Any]:
    document = review.document()
    del document["server"]
    return document


def _who(call: Call) -> Who:
    return Who(call.caller.name, call.caller.user)
