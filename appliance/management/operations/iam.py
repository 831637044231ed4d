"""Rows about users, roles and tokens. The API server answers them from what it keeps.

Users go by their name in paths, which is why no user is called `profile`.
"""

from __future__ import annotations

from typing import Final

from appliance.management.operations import iam_models as models
from appliance.management.operations.node_models import Done
from appliance.management.operations.row import PUBLIC, SELF, AnsweredBy, Row, Verb

_LOG_IN, _SELF, _USERS, _TOKENS = "Log-in", "Oneself", "Users", "API tokens"
_SERVER: Final = AnsweredBy.SERVER
_LONG: Final = "correct horse battery"

ROWS: Final = (
    Row(
        "auth.register", "become a user by a code", _LOG_IN, PUBLIC, Verb.POST, "/auth/register", models.User, models.Register,
        answered_by=_SERVER, success=201, fails=(403, 409),
        example={"code": "03X4T-8RB2K-…", "name": "alice", "password": _LONG},
    ),
    Row(
        "auth.login", "tokens for a name and a password", _LOG_IN, PUBLIC, Verb.POST, "/auth/login", models.Granted, models.LogIn,
        answered_by=_SERVER, fails=(401,), example={"name": "alice", "password": _LONG},
    ),
    Row(
        "auth.logins", "log-ins by somebody else who knows users", _LOG_IN, PUBLIC, Verb.GET, "/auth/logins",
        models.NamedLogIns, answered_by=_SERVER,
    ),
    Row(
        "auth.exchange", "tokens for what a log-in elsewhere brought", _LOG_IN, PUBLIC, Verb.POST, "/auth/logins/exchange",
        models.Granted, models.Exchange, answered_by=_SERVER, fails=(401,), example={"code": "0001020304050607…"},
        about="A browser begins at /login/NAME and comes back to /dashboard/#log-in=CODE. The code is good for a minute, once, "
        "and in that browser only: its cookie has to come with it.",
    ),
    Row(
        "auth.begin_device", "log in without a browser: a code for the user", _LOG_IN, PUBLIC, Verb.POST,
        "/auth/logins/{login}/device", models.DeviceBegun, models.BeginDevice, answered_by=_SERVER, success=201, fails=(404,),
        seconds=30.0, example={"login": "oidc"},
        about="The user opens the page in any browser, logs in there and enters the code (RFC 8628).",
    ),
    Row(
        "auth.finish_device", "tokens once the user of a device logged in", _LOG_IN, PUBLIC, Verb.POST, "/auth/logins/device",
        models.Granted, models.FinishDevice, answered_by=_SERVER, fails=(401, 409), seconds=30.0,
        example={"device": "0001020304050607…"},
        about="LogInPending says that it is too early: ask again after Retry-After.",
    ),
    Row(
        "auth.refresh", "the next tokens", _LOG_IN, PUBLIC, Verb.POST, "/auth/refresh", models.Granted, models.Refresh,
        answered_by=_SERVER, fails=(401,), example={"refresh_token": "apr_…"},
        about="For ten seconds after a refresh token was used it brings the same successor again: two tabs may use it at once. "
        "Later its use ends the log-in it belongs to.",
    ),
    Row(
        "auth.logout", "end a log-in, or all", _LOG_IN, SELF, Verb.POST, "/auth/logout", Done, models.LogOut,
        answered_by=_SERVER,
    ),
    Row(
        "auth.token", "an access token for a program's id and secret", _LOG_IN, PUBLIC, Verb.POST, "/auth/token",
        models.ClientGranted, models.ClientCredentials, answered_by=_SERVER, form=True, fails=(401,),
        example={"grant_type": "client_credentials", "client_id": "0001020304050607", "client_secret": "…"},
        about="OAuth 2 client credentials (RFC 6749, 4.4). Id and secret may stand in the header Authorization (Basic) instead.",
    ),
    Row(
        "auth.keys", "the public keys of access tokens", _LOG_IN, PUBLIC, Verb.GET, "/auth/keys", models.KeySet,
        answered_by=_SERVER,
    ),
    Row(
        "auth.rotate_keys", "sign access tokens by a new key", _LOG_IN, "users.manage", Verb.POST, "/auth/keys/rotate",
        models.KeySet, answered_by=_SERVER,
    ),
    Row(
        "users.profile", "who asks, and what he may", _SELF, SELF, Verb.GET, "/users/profile", models.Myself,
        answered_by=_SERVER, fails=(404,),
    ),
    Row(
        "users.set_profile", "change one's own names", _SELF, SELF, Verb.PUT, "/users/profile", models.Myself,
        models.SetProfile, answered_by=_SERVER, fails=(404,), example={"display": "Alice"},
    ),
    Row(
        "users.change_password", "change one's own password", _SELF, SELF, Verb.PUT, "/users/profile/password", Done,
        models.ChangePassword, answered_by=_SERVER, fails=(401, 404), example={"old": _LONG, "new": "staple of paper clips"},
    ),
    Row(
        "users.sessions", "one's own log-ins that last", _SELF, SELF, Verb.GET, "/users/profile/sessions", models.LogIns,
        answered_by=_SERVER, fails=(404,),
    ),
    Row(
        "users.end_session", "end one of one's own log-ins", _SELF, SELF, Verb.DELETE, "/users/profile/sessions/{session}", Done,
        models.WhichLogIn, answered_by=_SERVER, fails=(404,), example={"session": "000102030405060708090a0b0c0d0e0f"},
    ),
    Row(
        "users.begin_second_factor", "a secret for an authenticator application", _SELF, SELF, Verb.POST,
        "/users/profile/second-factor", models.SecondFactorBegun, models.Password, answered_by=_SERVER, fails=(401, 404),
        example={"password": _LONG},
    ),
    Row(
        "users.confirm_second_factor", "want a code at each log-in from now on", _SELF, SELF, Verb.PUT,
        "/users/profile/second-factor", models.RecoveryCodes, models.Code, answered_by=_SERVER, fails=(404,),
        example={"code": "123456"},
    ),
    Row(
        "users.remove_second_factor", "want no code any more", _SELF, SELF, Verb.POST, "/users/profile/second-factor/remove",
        Done, models.Password, answered_by=_SERVER, fails=(401, 404), example={"password": _LONG},
    ),
    Row(
        "users.list", "users by name", _USERS, "users.manage", Verb.GET, "/users", models.Users, models.UsersPage,
        answered_by=_SERVER,
    ),
    Row(
        "users.get", "one user", _USERS, "users.manage", Verb.GET, "/users/{name}", models.User, models.ByName,
        answered_by=_SERVER, fails=(404,), example={"name": "alice"},
    ),
    Row(
        "users.create", "add a user with a password", _USERS, "users.manage", Verb.POST, "/users", models.User,
        models.CreateUser, answered_by=_SERVER, success=201, fails=(409,),
        example={"name": "bob", "password": _LONG, "roles": ["viewer"]},
    ),
    Row(
        "users.change", "change a user", _USERS, "users.manage", Verb.PATCH, "/users/{name}", models.User, models.ChangeUser,
        answered_by=_SERVER, fails=(404, 409), example={"name": "bob", "roles": ["operator"]},
    ),
    Row(
        "users.remove", "remove a user, with all that is his", _USERS, "users.manage", Verb.DELETE, "/users/{name}",
        Done, models.ByName, answered_by=_SERVER, fails=(404, 409), example={"name": "bob"},
    ),
    Row(
        "users.set_password", "give somebody another password", _USERS, "users.manage", Verb.PUT, "/users/{name}/password",
        Done, models.SetPassword, answered_by=_SERVER, fails=(404,), example={"name": "bob", "password": _LONG},
    ),
    Row(
        "users.reset_second_factor", "take somebody's second factor away", _USERS, "users.manage", Verb.DELETE,
        "/users/{name}/second-factor", Done, models.ByName, answered_by=_SERVER, fails=(404,), example={"name": "bob"},
    ),
    Row(
        "users.roles", "roles, and what they permit", _USERS, SELF, Verb.GET, "/roles", models.Roles, answered_by=_SERVER,
    ),
    Row(
        "users.invitations", "invitations to become a user", _USERS, "users.manage", Verb.GET, "/user-invitations",
        models.UserInvitations, models.InvitationsPage, answered_by=_SERVER,
    ),
    Row(
        "users.invite", "invite somebody to become a user", _USERS, "users.manage", Verb.POST, "/user-invitations",
        models.NewUserInvitation, models.InviteUser, answered_by=_SERVER, success=201,
        example={"roles": ["operator"], "note": "for Bob"},
    ),
    Row(
        "users.revoke_invitation", "take an invitation back", _USERS, "users.manage", Verb.DELETE, "/user-invitations/{number}",
        Done, models.InvitationNumber, answered_by=_SERVER, fails=(404,), example={"number": "0102030405"},
    ),
    Row(
        "users.first_code", "a code for the first user", _USERS, "users.manage", Verb.POST, "/user-invitations/first",
        models.FirstCode, answered_by=_SERVER, success=201, fails=(409,),
        about="For root on the host: nobody else is an admin before there is a user.",
    ),
    Row(
        "tokens.list", "one's own API tokens", _TOKENS, SELF, Verb.GET, "/tokens", models.Tokens, models.TokensPage,
        answered_by=_SERVER,
    ),
    Row(
        "tokens.create", "make an API token", _TOKENS, SELF, Verb.POST, "/tokens", models.NewToken, models.CreateToken,
        answered_by=_SERVER, success=201, fails=(404,), example={"name": "backup", "scopes": ["node.read"]},
    ),
    Row(
        "tokens.revoke", "end one of one's own API tokens", _TOKENS, SELF, Verb.DELETE, "/tokens/{accessor}", Done,
        models.Accessor, answered_by=_SERVER, fails=(404,), example={"accessor": "0001020304050607"},
    ),
    Row(
        "tokens.all", "the API tokens of all users", _TOKENS, "tokens.manage", Verb.GET, "/all-tokens", models.Tokens,
        models.TokensPage, answered_by=_SERVER,
    ),
    Row(
        "tokens.revoke_any", "end an API token of any user", _TOKENS, "tokens.manage", Verb.DELETE, "/all-tokens/{accessor}",
        Done, models.Accessor, answered_by=_SERVER, fails=(404,), example={"accessor": "0001020304050607"},
    ),
)  # fmt: skip
