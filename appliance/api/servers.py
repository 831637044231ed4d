"""What a server is: something that answers at a port of its own in the API server's process, such as WebRTC signalling.

The node opens the sockets and keeps them, so a server needs no right to open any, and is opened again on the same ones after it
failed. The core lets connections in: it counts them, by address too, shakes hands for TLS, and hands each to the server.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.api_parts import ApiServices


class ServerServices(ApiServices, Protocol):
    """What the core gives to a server."""

    def random(self, count: int) -> bytes:
        """So many random bytes that nobody can guess, for challenges."""

    def is_own_page(self, host: str, origin: str | None, at: str, *, secure: bool) -> bool:
        """Is a request meant for this host, and does it come from a program or a page of the same server? `host` and `origin` are
        its header fields, `at` is the address of this host where it came in, `secure` says whether over TLS. No for a page of a
        stranger whose name was made to point here."""


class Server(Protocol):
    """An open server. It may have `stats()` (`api.services.HasStats`)."""

    def connection(self) -> Any:
        """Something new for each connection that was let in: an asyncio.Protocol or asyncio.BufferedProtocol."""


class ServerKind(NamedTuple):
    """A server as registered by `appliance_servers()`; see `api.kinds`. `name` is a key below `management.servers` in a profile.

    The model of its settings derives from `api.server_settings.ServerSettings`. When what was opened is closed, no
    connection comes any more; those that there are it ends itself, within 3 seconds.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, ServerServices], AbstractAsyncContextManager[Server]]
    imports: tuple[str, ...] = ()
    """As in `api.stores.StoreKind`."""
