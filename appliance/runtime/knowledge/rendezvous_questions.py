"""What callers of the control socket ask about rendezvous: their arguments, judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from appliance.knowledge.rendezvous.registration import USUAL_SECONDS
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.runtime.knowledge.rendezvous import RendezvousPart

USUAL_LIMIT = 100


async def register(part: RendezvousPart, args: Mapping[str, Any]) -> dict[str, Any]:
    """Be found under a tag. Raises BadArguments, NoMeetingPlace."""
    tag, ttl = _read("register", args, "ttl", USUAL_SECONDS)
    return await part.register(tag, ttl)


async def find(part: RendezvousPart, args: Mapping[str, Any]) -> dict[str, Any]:
    """Who is registered. Raises BadArguments, NoMeetingPlace."""
    tag, limit = _read("find", args, "limit", USUAL_LIMIT)
    return await part.find(tag, limit)


async def unregister(part: RendezvousPart, args: Mapping[str, Any]) -> dict[str, Any]:
    """Be found no more. Raises BadArguments."""
    tag, _ = _read("unregister", args, "", 0)
    return part.unregister(tag)


async def show(part: RendezvousPart, _args: Mapping[str, Any]) -> dict[str, Any]:
    """Places and own registrations."""
    return part.list()


def _read(operation: str, args: Mapping[str, Any], number: str, usual: int) -> tuple[str, int]:
    """The tag and the number of that name. Raises BadArguments."""
    tag, found = args.get("tag"), args.get(number, usual)
    known = {"tag", number} - {""}
    if args.keys() - known or not isinstance(tag, str) or not isinstance(found, int) or isinstance(found, bool):
        takes = f"tag (text) and {number} (a number)" if number else "tag (text)"
        raise BadArguments(f"rendezvous.{operation} takes {takes}", hint='for example {"tag": "printers"}')
    return tag, found
