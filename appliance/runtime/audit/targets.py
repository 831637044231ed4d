"""What of a question's arguments may stand in the audit log: a table, so that nothing gets there that nobody thought of.

Profiles and statements are there by their hash: `sha256sum profile.yaml` finds the profile that was given, if it is one file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from appliance.protocol.digests import sha256

if TYPE_CHECKING:
    from appliance.control.conversation import Request


def target_of(operation: str, request: Request) -> str:
    """What the question is about; "" if nothing of it is for the log."""
    told = TARGETS.get(operation)
    return "" if told is None else told(request)


def _text(*keys: str) -> Callable[[Request], str]:
    """The first of these arguments that is there."""

    def told(request: Request) -> str:
        return next((str(request.args[key]) for key in keys if isinstance(request.args.get(key), str | int)), "")

    return told


def _service(request: Request) -> str:
    """A peer and what is wanted of it."""
    return f"{_text('to')(request)} {_text('service', 'port')(request)}".strip()


def _body(request: Request) -> str:
    return f"sha256:{sha256(request.body).hex()}" if request.body else ""


def _confirmed(request: Request) -> str:
    return "refusals" if request.args.get("refused") is True else ""


TARGETS: Final[Mapping[str, Callable[[Request], str]]] = {
    "reload": _body,
    "confirm": _confirmed,
    "statements": _body,
    "invite": _text("name"),
    "revoke_invitation": _text("which"),
    "block_peer": _text("name"),
    "unblock_peer": _text("name"),
    "connect": _service,
    "serve": _text("service"),
    "service_health": _text("service"),
}
