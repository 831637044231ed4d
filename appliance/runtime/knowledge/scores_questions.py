"""What callers of the control socket ask about scores, and have blocked."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final

from appliance.foundation import clock
from appliance.knowledge.scores.document import MOST_TEXT
from appliance.members.network import identity_text
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.control.conversation import Request
    from appliance.knowledge.scores.blocks import Block
    from appliance.knowledge.scores.history import History
    from appliance.runtime.knowledge.scores import Scores

MOST_SECONDS: Final = 10 * 365 * 86400.0


async def block(scores: Scores, request: Request) -> dict[str, Any]:
    """Block a peer. Raises BadArguments, NoSuchPeer, CannotBlock."""
    args = request.args
    unknown = args.keys() - {"name", "seconds", "reason"}
    name, seconds, reason = args.get("name"), args.get("seconds"), args.get("reason", "")
    if unknown or not isinstance(name, str) or not isinstance(reason, str) or len(reason) > MOST_TEXT:
        raise BadArguments(f"block_peer: name and reason are texts, a reason has at most {MOST_TEXT} characters")
    if seconds is not None and not _is_duration(seconds):
        raise BadArguments("block_peer: seconds is a number above 0, of at most ten years")
    identity = await scores.block(name, request.principal.name or request.principal.kind, reason.strip(), seconds)
    done = {"name": scores.name_of(identity), "identity": identity, "alone": scores.is_alone()}
    return done | _until(scores.blocks()[identity], scores.now())


async def unblock(scores: Scores, request: Request) -> dict[str, Any]:
    """Take a block back. Raises BadArguments, NoSuchPeer, CannotBlock."""
    match request.args:
        case {"name": str(name), **others} if not others:
            identity = await scores.unblock(name)
        case _:
            raise BadArguments("unblock_peer: there is one argument, name", hint='for example {"name": "laptop"}')
    return {"name": scores.name_of(identity), "identity": identity}


def table(scores: Scores) -> list[dict[str, Any]]:
    """All of whom something is known, the worst first."""
    book, now = scores.book, scores.now()
    members = {*book.histories, *book.blocks.all}
    found = []
    for member in sorted(members, key=lambda each: (each not in book.blocks, book.value(each, now), each)):
        identity, history, blocked = identity_text(member), book.histories.get(member), book.blocks.all.get(member)
        held_off = book.held_off.get(member)
        found.append(
            {
                "name": scores.name_of(identity),
                "identity": identity,
                "value": round(book.value(member, now), 1),
                "standing": "blocked" if blocked is not None else str(book.standing(member, now)),
                "block": None if blocked is None else described(blocked, now),
                "held_off": None if held_off is None else str(held_off),
                "reasons": [] if history is None else _reasons(history, now),
            }
        )
    return found


def blocked_peers(scores: Scores) -> Mapping[str, Mapping[str, Any]]:
    """Blocks by identity, for `appliance peers`."""
    now = scores.now()
    return {identity: described(each, now) for identity, each in scores.blocks().items()}


def described(block: Block, now: float) -> dict[str, Any]:
    """A block for people and programs; `left_s` is null if it does not end by itself."""
    return {
        "reason": block.reason,
        "by": block.by or None,
        "since_s": round(now - block.since),
        "since": clock.utc_text(clock.wall() - (now - block.since)),
    } | _until(block, now)


def _until(block: Block, now: float) -> dict[str, Any]:
    if block.until == inf:
        return {"left_s": None, "until": None}
    left = max(0.0, block.until - now)
    return {"left_s": round(left), "until": clock.utc_text(clock.wall() + left)}


def _reasons(history: History, now: float) -> list[dict[str, Any]]:
    return [
        {
            "what": what,
            "count": reason.count,
            "points": round(reason.left(now), 1),
            "first_s": round(now - reason.first),
            "last_s": round(now - reason.last),
        }
        for what, reason in sorted(history.reasons.items(), key=lambda item: item[1].left(now))
    ]


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and 0 < value <= MOST_SECONDS
