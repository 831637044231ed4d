"""What callers of the control socket may ask the audit log: to read it, for its head, and to add what the API server saw."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.control.conversation import API_SERVER
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege
from appliance.foundation import clock
from appliance.management.audit.entry import Entry, Outcome, Who
from appliance.protocol.admission import TokenBucket
from appliance.runtime.audit import reading
from appliance.runtime.audit.watching import who
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.control.conversation import Request
    from appliance.runtime.audit.log import AuditLog

ADDED_PER_SECOND: Final = 2.0
ADDED_AT_ONCE: Final = 1000
"""Entries that others may add. The API server is less trusted than the node: a flood of its own is not to push out what is in the
log."""
MOST_AT_A_TIME: Final = 100
_WHAT: Final = re.compile(r"user(\.[a-z][a-z0-9_-]{0,30}){1,4}")


class TooManyEntries(ApplianceError):
    """More was to be added to the audit log than it takes from others in a while."""

    exit_code = ExitCode.RETRY
    retryable = True


class Additions:
    """How much others may add."""

    def __init__(self) -> None:
        self._budget = TokenBucket(ADDED_PER_SECOND, ADDED_AT_ONCE, clock.monotonic())

    async def add(self, log: AuditLog, request: Request) -> dict[str, Any]:
        """On the disk when this returns. Raises MissingPrivilege, BadArguments, TooManyEntries, NotRecorded."""
        if request.principal.kind != API_SERVER:
            raise MissingPrivilege("only the API server adds entries to the audit log", hint="what you do is recorded anyway")
        said = request.args.get("entries")
        if not isinstance(said, list) or not 0 < len(said) <= MOST_AT_A_TIME:
            raise BadArguments(f"audit_add: entries is a list of 1 to {MOST_AT_A_TIME} entries")
        teller = who(request.principal)
        entries = [_entry(each, teller) for each in said]
        if not self._budget.take(clock.monotonic(), len(entries)):
            log.note_repeating(Entry("audit.add", Outcome.DENIED, teller, reason="too-many", times=len(entries)))
            raise TooManyEntries("the audit log takes no more entries of others now", hint="tell what repeats itself once")
        await asyncio.gather(*(log.record(entry) for entry in entries))
        return {"added": len(entries)}


async def show(log: AuditLog, folder: Path, args: Mapping[str, Any]) -> dict[str, Any]:
    """Entries, and the cursor to go on with. Raises BadArguments."""
    unknown = args.keys() - {"after", "before", "limit", "order", "who", "what", "since", "until"}
    if unknown:
        raise BadArguments(f"audit: there is no argument {min(unknown)}")
    wanted = reading.Wanted(*(_text(args, key) for key in reading.Wanted._fields))
    limit = min(_number(args, "limit", 100), reading.MOST_ENTRIES)
    if not limit:
        raise BadArguments("audit: limit is a number from 1 on")
    await log.flush()
    if args.get("order") == "newest":
        page = await asyncio.to_thread(reading.newest, folder, wanted, _number(args, "before", 0), limit)
        return {"entries": page.entries, "before": page.next}
    if args.get("order") not in (None, "oldest"):
        raise BadArguments("audit: order is newest or oldest")
    page = await asyncio.to_thread(reading.oldest, folder, wanted, _number(args, "after", 0), limit)
    return {"entries": page.entries, "after": page.next}


def _entry(said: object, teller: Who) -> Entry:
    """What somebody wants to be recorded. It is his word, and the entry says so."""
    match said:
        case {"what": str(what), "outcome": str(outcome), "who": {"kind": "api", "name": str(name), **whose}, **rest}:
            pass
        case _:
            raise BadArguments("audit_add: an entry has what, outcome, and who with the kind api and a name")
    if not _WHAT.fullmatch(what):
        raise BadArguments("audit_add: what is a name such as user.login")
    if outcome not in {str(each) for each in Outcome}:
        raise BadArguments(f"audit_add: outcome is one of {', '.join(Outcome)}")
    roles, more = whose.get("roles", []), rest.get("more", {})
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise BadArguments("audit_add: roles is a list of names")
    if not isinstance(more, dict) or not all(isinstance(value, str) or type(value) is int for value in more.values()):
        raise BadArguments("audit_add: more has texts and whole numbers")
    return Entry(
        what,
        Outcome(outcome),
        Who("api", name, None, tuple(roles)),
        teller,
        permission=_text(rest, "permission"),
        target=_text(rest, "target"),
        reason=_text(rest, "reason"),
        request=_text(rest, "request"),
        times=max(1, _number(rest, "times", 1)),
        more=more,
    )


def _text(args: Mapping[Any, Any], key: str) -> str:
    value = args.get(key)
    if value is not None and not isinstance(value, str):
        raise BadArguments(f"audit: {key} is a text")
    return value or ""


def _number(args: Mapping[Any, Any], key: str, otherwise: int) -> int:
    value = args.get(key)
    if value is None:
        return otherwise
    if type(value) is not int or value < 0:
        raise BadArguments(f"audit: {key} is a whole number from 0 on")
    return value
