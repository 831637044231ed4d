"""What a log-in is: somebody else who knows users, whom the API server asks who has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.api_parts import ApiServices


class Claims(NamedTuple):
    """Who has come, as the other side says it and as the plugin has verified it.

    By the subject alone a user is found. Names and groups are words of the other side: the profile says what groups are worth.
    """

    subject: str
    """The name that never changes and that nobody else gets, unique at this log-in."""
    name: str
    """What a user of the API server may be called by; a proposal."""
    groups: tuple[str, ...] = ()
    """Groups of the user there; the profile says which roles they bring."""


class Begun(NamedTuple):
    """A log-in that a browser goes on with."""

    url: str
    """Where the browser is sent."""
    kept: Mapping[str, str]
    """What `finish` needs again. The API server keeps it, out of the browser's reach."""


class DeviceBegun(NamedTuple):
    """A log-in that a user goes on with in a browser elsewhere (RFC 8628)."""

    url: str
    """Which the user opens."""
    code: str
    """Which the user enters there."""
    seconds: float
    """For which that is possible."""
    interval: float
    """Seconds between two questions."""
    kept: Mapping[str, str]
    """What `device_finish` needs. It is a secret."""


class Login(Protocol):
    """A log-in. All may raise ApplianceError, whose message the user reads, and the audit log has."""

    async def begin(self, callback: str, state: str, secret: str) -> Begun:
        """Begin in a browser; it comes back to the URL `callback` with `state` among its parameters. `secret`: 256 random bits in
        text, used once, for whatever has to be random here; nobody else has them."""

    async def finish(self, callback: str, kept: Mapping[str, str], parameters: Mapping[str, str]) -> Claims:
        """Who came back, with these parameters. That `state` fits, and that it is the browser that began, is certain."""

    async def device_begin(self) -> DeviceBegun:
        """Begin without a browser here."""

    async def device_finish(self, kept: Mapping[str, str]) -> Claims | None:
        """Who it was; None: nobody said yet."""


class LoginKind(NamedTuple):
    """A log-in as registered by `appliance_logins()`; see `api.kinds`. `name` is a key below `management.logins` in a profile;
    the model of its settings derives from `api.login_settings.LoginSettings`."""

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, ApiServices], AbstractAsyncContextManager[Login]]
    imports: tuple[str, ...] = ()
    """As in `api.stores.StoreKind`."""
