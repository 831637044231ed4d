"""Carries out the rows about users, roles and tokens: from the arguments to the accounts, and back to JSON."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from starlette.requests import Request

from appliance.api_server.answering import Call, Handler
from appliance.api_server.caller import LOCAL, Bearer, Caller
from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.people import Changed, NewUser
from appliance.api_server.iam.records import ACTIVITY
from appliance.api_server.iam.registration import Registering
from appliance.api_server.iam.sessions import Grant, LogIn
from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import api_tokens, invitations, roles
from appliance.management.iam.activity import Activity
from appliance.management.iam.api_tokens import ApiToken, TokenRefused
from appliance.management.iam.changes import Actor
from appliance.management.iam.invitations import Invitation
from appliance.management.iam.refresh import Family
from appliance.management.iam.tokens import TokenExpired, TokenNotValid
from appliance.management.iam.users import State, User

BEARER: Final = "Bearer"


class InvalidClient(ApplianceError):
    """The client's id or secret is wrong, or was revoked, or its time is over (RFC 6749, 5.2)."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("the client is not known", hint="make another API token for it")

    def document(self) -> dict[str, Any]:
        """With the error as clients of OAuth 2 know it."""
        return super().document() | {"error": "invalid_client"}


class UsersThere(ApplianceError):
    """There are users already, so there is no code for a first one."""


def bearer_of(accounts: Accounts) -> Bearer:
    """Says whose token it is that came with a request."""

    async def bearer(text: str) -> Caller:
        known = await accounts.callers.authenticate(text)
        return Caller(known.name, known.roles, known.how, known.user, known.scopes, known.family)

    return bearer


def handlers(accounts: Accounts) -> dict[str, Handler]:
    """By the rows' names."""
    return {**_coming_in(accounts), **_oneself(accounts), **_users(accounts), **_invitations(accounts), **_tokens(accounts)}


# ---- coming in ----


def _coming_in(accounts: Accounts) -> dict[str, Handler]:
    async def register(call: Call) -> Any:
        asked = call.arguments
        user = await accounts.registration.register(
            Registering(
                asked.code.get_secret_value(),
                asked.name,
                asked.password.get_secret_value(),
                asked.display,
                asked.email,
                address_of(call.request),
            )
        )
        return _user(user)

    async def log_in(call: Call) -> Any:
        asked = call.arguments
        log_in = LogIn(
            asked.name,
            asked.password.get_secret_value(),
            asked.code.get_secret_value(),
            address_of(call.request),
            asked.client,
        )
        return granted(await accounts.sessions.log_in(log_in))

    async def refresh(call: Call) -> Any:
        return granted(await accounts.sessions.refresh(call.arguments.refresh_token.get_secret_value()))

    async def log_out(call: Call) -> Any:
        if call.arguments.everywhere and call.caller.user:
            await accounts.sessions.log_out_everywhere(call.caller.user)
        else:
            await accounts.sessions.log_out(call.caller.user, call.caller.family)
        return {}

    async def token(call: Call) -> Any:
        asked = call.arguments
        client, secret = _basic(call.request) or (asked.client_id, asked.client_secret.get_secret_value())
        try:
            grant = await accounts.programs.client_grant(client, secret, asked.scope)
        except (TokenNotValid, TokenExpired):
            raise InvalidClient from None
        return {
            "access_token": grant.access_token,
            "token_type": BEARER,
            "expires_in": grant.expires_in,
            "scope": " ".join(grant.scopes),
        }

    async def keys(_call: Call) -> Any:
        return await accounts.keyring.jwks()

    async def rotate_keys(call: Call) -> Any:
        await accounts.keyring.rotate(_actor(call).named)
        return await accounts.keyring.jwks()

    return {
        "auth.register": register,
        "auth.login": log_in,
        "auth.refresh": refresh,
        "auth.logout": log_out,
        "auth.token": token,
        "auth.keys": keys,
        "auth.rotate_keys": rotate_keys,
    }


# ---- oneself ----


def _oneself(accounts: Accounts) -> dict[str, Handler]:
    people, second_factor = accounts.people, accounts.second_factor

    async def told(caller: Caller) -> Any:
        user = await people.get(caller.user)
        kept = await accounts.tools.records.get(ACTIVITY, user.id, Activity)
        may = roles.permissions_of(user.roles, accounts.tools.added)
        return _user(user) | {
            "permissions": sorted(may if caller.scopes is None else may & set(caller.scopes)),
            "last_log_in": kept.value.last_log_in if kept else 0,
            "recovery_codes": len(user.recovery),
        }

    async def profile(call: Call) -> Any:
        return await told(call.caller)

    async def set_profile(call: Call) -> Any:
        asked = call.arguments
        await people.set_profile(call.caller.user, asked.display, asked.email)
        return await told(call.caller)

    async def change_password(call: Call) -> Any:
        old, new = call.arguments.old.get_secret_value(), call.arguments.new.get_secret_value()
        await people.change_password(call.caller.user, old, new, address_of(call.request))
        return {}

    async def sessions(call: Call) -> Any:
        found = await accounts.sessions.all_of(call.caller.user)
        return {"items": [_session(family, call.caller.family) for family in found]}

    async def end_session(call: Call) -> Any:
        await accounts.sessions.log_out_elsewhere(call.caller.user, call.arguments.session)
        return {}

    async def begin(call: Call) -> Any:
        password = call.arguments.password.get_secret_value()
        begun = await second_factor.begin(call.caller.user, password, address_of(call.request))
        return {"secret": begun.secret, "uri": begun.uri}

    async def confirm(call: Call) -> Any:
        code = call.arguments.code.get_secret_value()
        return {"recovery_codes": await second_factor.confirm(call.caller.user, code)}

    async def remove(call: Call) -> Any:
        password = call.arguments.password.get_secret_value()
        await second_factor.remove(call.caller.user, password, address_of(call.request))
        return {}

    return {
        "users.profile": profile,
        "users.set_profile": set_profile,
        "users.change_password": change_password,
        "users.sessions": sessions,
        "users.end_session": end_session,
        "users.begin_second_factor": begin,
        "users.confirm_second_factor": confirm,
        "users.remove_second_factor": remove,
    }


# ---- others ----


def _users(accounts: Accounts) -> dict[str, Handler]:
    people, added = accounts.people, accounts.tools.added

    async def page(call: Call) -> Any:
        found = await people.page(call.arguments.after, call.arguments.size)
        return _page([_user(user) for user in found], "name", call.arguments.size)

    async def get(call: Call) -> Any:
        return _user(await people.named(call.arguments.name))

    async def create(call: Call) -> Any:
        asked = call.arguments
        new = NewUser(asked.name, asked.password.get_secret_value(), asked.roles, asked.display, asked.email)
        return _user(await people.create(_actor(call), new))

    async def change(call: Call) -> Any:
        asked = call.arguments
        wanted = Changed(asked.roles, State(asked.state) if asked.state else None, asked.display, asked.email)
        return _user(await people.change(_actor(call), (await people.named(asked.name)).id, wanted))

    async def remove(call: Call) -> Any:
        await people.remove(_actor(call), (await people.named(call.arguments.name)).id)
        return {}

    async def set_password(call: Call) -> Any:
        user = await people.named(call.arguments.name)
        await people.set_password(_actor(call), user.id, call.arguments.password.get_secret_value())
        return {}

    async def reset_second_factor(call: Call) -> Any:
        await accounts.second_factor.reset(_actor(call), (await people.named(call.arguments.name)).id)
        return {}

    async def all_roles(_call: Call) -> Any:
        items = [
            {"name": name, "built_in": name in roles.BUILT_IN, "permissions": sorted(roles.permissions_of([name], added))}
            for name in roles.known_roles(added)
        ]
        return {"items": items, "permissions": dict(roles.PERMISSIONS)}

    return {
        "users.list": page,
        "users.get": get,
        "users.create": create,
        "users.change": change,
        "users.remove": remove,
        "users.set_password": set_password,
        "users.reset_second_factor": reset_second_factor,
        "users.roles": all_roles,
    }


def _invitations(accounts: Accounts) -> dict[str, Handler]:
    registration = accounts.registration

    def told(invitation: Invitation) -> dict[str, Any]:
        shown = {name: getattr(invitation, name) for name in ("number", "made_by", "created", "expires", "uses", "note")}
        return shown | {"roles": list(invitation.roles), "open": invitations.is_open(invitation, accounts.tools.now)}

    async def page(call: Call) -> Any:
        found = await registration.page(call.arguments.after, call.arguments.size)
        return _page([told(one) for one in found], "number", call.arguments.size)

    async def invite(call: Call) -> Any:
        asked = call.arguments
        invitation, code = await registration.invite(_actor(call), asked.roles, asked.seconds, asked.uses, asked.note)
        return told(invitation) | {"code": code}

    async def revoke(call: Call) -> Any:
        await registration.revoke(_actor(call), call.arguments.number)
        return {}

    async def first_code(_call: Call) -> Any:
        code = await registration.first_code()
        if code is None:
            raise UsersThere("there are users already", hint="invite others: users.invite")
        return {"code": code}

    return {
        "users.invitations": page,
        "users.invite": invite,
        "users.revoke_invitation": revoke,
        "users.first_code": first_code,
    }


# ---- tokens of programs ----


def _tokens(accounts: Accounts) -> dict[str, Handler]:
    programs = accounts.programs

    async def own(call: Call) -> Any:
        found = await programs.page_of(call.caller.user, call.arguments.after, call.arguments.size)
        return _page([_token(token) for token in found], "accessor", call.arguments.size)

    async def every(call: Call) -> Any:
        found = await programs.page(call.arguments.after, call.arguments.size)
        return _page([_token(token) for token in found], "accessor", call.arguments.size)

    async def create(call: Call) -> Any:
        asked = call.arguments
        if asked.user and call.caller.user:
            raise TokenRefused("whoever is a user makes tokens of his own only", hint="leave `user` out")
        owner = (await accounts.people.named(asked.user)).id if asked.user else ""
        token, text = await programs.create(_actor(call), asked.name, asked.scopes, asked.seconds, owner)
        return _token(token) | {"token": text, "client_secret": api_tokens.client_secret(text)}

    async def revoke(call: Call) -> Any:
        await programs.revoke(_actor(call), call.arguments.accessor, of_all=False)
        return {}

    async def revoke_any(call: Call) -> Any:
        await programs.revoke(_actor(call), call.arguments.accessor, of_all=True)
        return {}

    return {
        "tokens.list": own,
        "tokens.create": create,
        "tokens.revoke": revoke,
        "tokens.all": every,
        "tokens.revoke_any": revoke_any,
    }


# ---- JSON ----


def _user(user: User) -> dict[str, Any]:
    """Field by field: what is added to a user later is not told by accident."""
    shown = {name: getattr(user, name) for name in ("id", "name", "display", "email", "created", "changed")}
    return shown | {
        "roles": list(user.roles),
        "state": str(user.state),
        "second_factor": bool(user.totp),
        "log_in": user.origin.partition("/")[0],
    }


def _session(family: Family, current: str) -> dict[str, Any]:
    shown = {name: getattr(family, name) for name in ("id", "client", "created", "refreshed", "expires")}
    return shown | {"current": family.id == current}


def _token(token: ApiToken) -> dict[str, Any]:
    shown = {name: getattr(token, name) for name in ("accessor", "name", "user", "created", "expires", "last_used")}
    return shown | {"scopes": list(token.scopes)}


def granted(grant: Grant) -> dict[str, Any]:
    """What the rows of log-ins answer."""
    return {
        "access_token": grant.access_token,
        "token_type": BEARER,
        "expires_in": grant.expires_in,
        "refresh_token": grant.refresh_token,
        "refresh_expires_in": grant.refresh_expires_in,
        "user": _user(grant.user),
        "failed_before": grant.failed_before,
    }


def _page(items: list[dict[str, Any]], key: str, size: int) -> dict[str, Any]:
    return {"items": items, "next": items[-1][key] if len(items) == size else ""}


def _actor(call: Call) -> Actor:
    return Actor(call.caller.user, call.caller.roles, call.caller.scopes)


def address_of(request: Request) -> str:
    """Where a request came from; "" for a process of this host."""
    return "" if request.client is None or request.client.host == LOCAL else request.client.host


def _basic(request: Request) -> tuple[str, str] | None:
    """A client's id and secret in the header (RFC 7617)."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return client, secret
