"""Who asks, and how that is known."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection

from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError, ExitCode
from appliance.linux.privileges import NOBODY as NOBODYS
from appliance.management.iam import roles
from appliance.management.operations.row import PUBLIC, SELF

LOCAL: Final = "local"
"""The host in an ASGI scope's `client` for a process of this host; the port is then the number of its user. No network address
is written like this."""


class Unauthenticated(ApplianceError):
    """The request does not say who asks, in a way that this server takes."""

    exit_code = ExitCode.PERMISSION


class Forbidden(ApplianceError):
    """Who asks is known, and may not do that."""

    exit_code = ExitCode.PERMISSION


class Caller(NamedTuple):
    """Who asks."""

    name: str
    """The user's."""
    roles: tuple[str, ...]
    """Sorted."""
    how: str
    """How that is known: "peer" (the kernel says so), "access-token", "api-token", "job" (he began it); "" for nobody in
    particular."""
    user: str = ""
    """The user's id; "" for somebody on the host, who is no user."""
    scopes: tuple[str, ...] | None = None
    """All that the token of a program may do; None: whatever the roles permit."""
    family: str = ""
    """The log-in that the token comes from; "" for a program."""

    def on_behalf(self, request: str) -> OnBehalf:
        """For the node."""
        return OnBehalf(self.name, self.roles, request)


NOBODY = Caller("", (), "")
"""Somebody of whom nothing is known."""
Bearer = Callable[[str], Awaitable[Caller]]
"""Whose token that is. Raises Unauthenticated."""


async def caller_of(request: HTTPConnection, bearer: Bearer) -> Caller:
    """Who asks: whose token came with the request, else whose certificate the connection has, else the user of this host at the
    other end of the Unix socket, if that is one who may everything anyway. Raises Unauthenticated."""
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("the header Authorization has no bearer token", hint="send `Authorization: Bearer TOKEN`")
        return await bearer(token.strip())
    who: Callable[[], Awaitable[Caller]] | None = request.scope.get("state", {}).get("who")
    if who is not None:
        return await who()
    client = request.client
    if client is not None and client.host == LOCAL and client.port in who_may_everything():
        return _local(client.port)
    return NOBODY


def local_caller(name: str) -> Caller | None:
    """The user of this host who is called so as a caller; None if he may not everything anyway."""
    return next((caller for caller in map(_local, who_may_everything()) if caller.name == name), None)


def authorize(caller: Caller, permission: str, added: Mapping[str, Collection[str]]) -> None:
    """Raises Unauthenticated for nobody in particular, Forbidden for who may not; the node judges its own operations again."""
    if permission == PUBLIC:
        return
    if not caller.how:
        raise Unauthenticated(
            "this needs a token", hint="log in, or make a token: appliance api tokens.create; send it as a bearer token"
        )
    if caller.scopes is not None and permission not in caller.scopes:
        raise Forbidden(f"this token may not do this ({permission})", hint="make one with this scope")
    if permission != SELF and not roles.permits(caller.roles, permission, added):
        raise Forbidden(f"user {caller.name} may not do this ({permission})", hint="an admin can give the user a role that may")


def permitted(caller: Caller, permission: str, added: Mapping[str, Collection[str]]) -> bool:
    """May he? As `authorize`."""
    try:
        authorize(caller, permission, added)
    except (Unauthenticated, Forbidden):
        return False
    return True


def who_may_everything() -> set[int]:
    """Root and our own user; not nobody, which is the API server's where it has none of its own, and many programs' besides."""
    return {0, os.geteuid()} - {NOBODYS}


def _local(uid: int) -> Caller:
    return Caller("root" if uid == 0 else f"uid-{uid}", (roles.ADMIN,), "peer")
