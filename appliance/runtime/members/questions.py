"""What callers of the control socket may ask about invitations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.api.values import Endpoint
from appliance.members.invitation import Terms
from appliance.runtime.members.network_folder import NetworkMissing
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.runtime.members.enrolling import Enrolling

KNOWN: Final = frozenset({"name", "tags", "prefixes", "exit", "roles", "ttl", "uses", "at"})
MOST_WORDS: Final = 64
"""Items of a list, and characters of each."""
LONGEST_WORD: Final = 600


def invite(node: Enrolling | None, args: Mapping[str, Any]) -> dict[str, Any]:
    """Make an invitation. `node`: None if it is in no network. Raises ApplianceError, OSError."""
    there = _there(node)
    terms, ttl, uses, endpoints = _read(args)
    return there.invite(terms, ttl, uses, endpoints)


def invitations(node: Enrolling | None) -> dict[str, Any]:
    """All that there are, and who was refused. Raises ApplianceError."""
    there = _there(node)
    return {"invitations": there.invitations(), "refused": there.refused()}


def revoke(node: Enrolling | None, args: Mapping[str, Any]) -> dict[str, Any]:
    """Take an invitation back. Raises ApplianceError, OSError."""
    which = args.get("which")
    if not isinstance(which, str):
        raise BadArguments("revoke_invitation: which is the number of an invitation, or a name")
    return _there(node).revoke(which)


def _there(node: Enrolling | None) -> Enrolling:
    if node is None:
        raise NetworkMissing(
            "this node is in no network of members", hint="make one with `appliance network new`, or join one: `appliance join`"
        )
    return node


def _read(args: Mapping[str, Any]) -> tuple[Terms, int, int, list[Endpoint]]:
    unknown = args.keys() - KNOWN
    if unknown:
        raise BadArguments(f"invite: there is no argument {min(unknown)}", hint=f"there are {', '.join(sorted(KNOWN))}")
    name, ttl, uses, exit_ = args.get("name"), args.get("ttl", 3600), args.get("uses", 1), args.get("exit", False)
    numbers = all(isinstance(each, int) and not isinstance(each, bool) for each in (ttl, uses))
    if not isinstance(name, str) or not isinstance(exit_, bool) or not numbers:
        raise BadArguments("invite: name is text, ttl (seconds) and uses are numbers, exit is true or false")
    terms = Terms(name, _words(args, "tags"), _words(args, "prefixes"), exit_, _words(args, "roles"))
    try:
        return terms, ttl, uses, [Endpoint.parse(text) for text in _words(args, "at")]
    except ValueError as error:
        raise BadArguments(f"invite: {error}") from None


def _words(args: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = args.get(name, [])
    if not isinstance(given, list) or len(given) > MOST_WORDS:
        raise BadArguments(f"invite: {name} is a list of texts")
    if not all(isinstance(word, str) and len(word) <= LONGEST_WORD for word in given):
        raise BadArguments(f"invite: {name} is a list of texts")
    return tuple(given)
