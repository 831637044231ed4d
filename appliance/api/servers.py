"""What a server is: something that answers at a port of its own in the API server's process, such as WebRTC signalling.

The node opens the sockets and keeps them, so a server needs no right to open any, and is opened again on the same ones after it
failed. The core lets connections in: it counts them, by address too, shakes hands for TLS, and hands each to the server.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.api_parts import ApiServices


class ServerServices(ApiServices, Protocol):
    """What the core gives to a server."""

    async def provide(self, key: str, seconds: float) -> None:
        """Say in the hash table of the network that this node has what `key` names, for so many seconds (60 at least); 0: it has
        it no more. Raises ApplianceError where there is no network, or nobody keeps it."""

    async def providers(self, key: str) -> Sequence[str]:
        """Identities of other members that say so; none if nobody does. Raises ApplianceError."""

    async def send(self, member: str, content: bytes) -> None:
        """Have that brought to the server of the same name on another member: 12 KiB at most. Raises ApplianceError if it was not
        taken there; otherwise it is in `letters` there."""

    def letters(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """What such servers sent, with the identity of the member. Members are in the network, and no more is known of them: what
        they send may have any form. Ends, or raises ApplianceError, when the node has no network."""

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
