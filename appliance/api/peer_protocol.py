"""What a plugin implements so that nodes can tell and ask each other things: a peer protocol.

    PeerProtocolKind(name, settings, open)      open(settings, services) -> PeerProtocol

Its messages travel sealed in the sessions that there are anyway, beside the packets. A message has a kind (a short name of your
own), a content (a mapping that becomes a JSON object) and perhaps a body (bytes, for what is signed or is not JSON). Messages are
small and seldom: what is large or comes often belongs into a connection of its own through the overlay.

A message may be lost, and may come twice where a node was started anew. What must arrive is a request: it is repeated until it is
answered. Both nodes must run the protocol; a request to one that does not runs into its time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from appliance.api.services import Services

MAX_MESSAGE_BYTES: Final = 16384
"""Of a message as it travels: its kind and content as JSON, and the body."""
MAX_CONTENT_BYTES: Final = 8192
"""Of its kind and content as JSON. Also, a content is nested at most 15 deep, its integers are within ±(2**64 - 1), its numbers
are finite, and it has no key `kind`, `request`, `response` or `refused`."""
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Limits(NamedTuple):
    """What one peer may send in this protocol, and we to one peer. What a peer sends beyond is dropped and counted."""

    messages: float = 50.0
    """Messages a second, up to 1,000. Requests, their repetitions and answers count. A second's worth may be sent at once."""
    bytes: float = 131072.0
    """Bytes a second, up to 4 MiB."""
    waiting: int = 64
    """Messages of one peer that wait to be handled, up to 1,024."""
    requests: int = 16
    """Requests to one peer that wait for their answers, up to 256."""


class Answer(NamedTuple):
    """An answer to a request."""

    content: Mapping[str, Any] = NOTHING
    body: bytes = b""


class PeerProtocolError(Exception):
    """A message was not sent, or a request not answered. Nothing is wrong with the plugin: peers come and go."""


class NotConnected(PeerProtocolError):
    """There is no session with the peer, or the last one ended before the answer came."""


class TimedOut(PeerProtocolError):
    """No answer came in time."""


class Refused(PeerProtocolError):
    """The peer has no answer. Why, it does not tell."""


class TooMuch(PeerProtocolError):
    """It would be more than `Limits` allow. Try again later."""


class PeerProtocolServices(Services, Protocol):
    """What the core gives a peer protocol."""

    def peers(self) -> frozenset[str]:
        """Names of the peers that have a session now."""

    def send(self, peer: str, kind: str, content: Mapping[str, Any] = NOTHING, body: bytes = b"") -> None:
        """Send a message, which may be lost. `kind`: a small letter, then up to 31 small letters, digits, `-` and `_`.

        Raises NotConnected, TooMuch; ValueError for what cannot be sent (too long, not JSON).
        """

    async def ask(
        self, peer: str, kind: str, content: Mapping[str, Any] = NOTHING, body: bytes = b"", *, within: float = 10.0
    ) -> Answer:
        """Ask `peer` and wait for its answer, at most `within` seconds (60 at most). It goes on when the session is renewed.

        Raises NotConnected, TimedOut, Refused, TooMuch; ValueError for what cannot be sent.
        """

    def figures(self) -> Mapping[str, int]:
        """What happened in this protocol so far, by name (docs/protocol.md lists them)."""


class PeerProtocol(Protocol):
    """An open peer protocol. What a peer sends is not to be trusted in form nor content: it is a peer, not one of yours."""

    def on_connected(self, peer: str) -> None:
        """A peer has a session. Called for those that have one already, too, right after `open`. Must return at once; use
        `services.spawn` for what takes longer."""

    def on_gone(self, peer: str) -> None:
        """The peer's last session ended. Must return at once."""

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """A message came. In the order in which they came, while the peer is connected. Must return at once."""

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """A request came: answer it within 10 seconds. Up to 16 run at the same time, 4 of one peer. None: there is no answer."""


class PeerProtocolKind(NamedTuple):
    """A peer protocol as registered by `appliance_peer_protocols()`; see `api.kinds` for the first three fields.

    `name` is a key below `protocols` in a profile, which turns it on; its settings are that key's value. It also is what the
    messages of this protocol are called on the wire: a small letter, then up to 30 small letters, digits and dashes.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, PeerProtocolServices], PeerProtocol]
    limits: Limits = Limits()
    before_membership: bool = False
    """May it be spoken with a peer that has not proved yet that it is a member? Those of the profile have."""
