"""A whole connection, from its first byte on: which security, who is there, which multiplexer, then streams.

    multistream: /noise ─ Noise XX ─ multistream: /yamux/1.0.0 ─ yamux

`receive` takes what came over TCP and returns what happened; `take_out` gives what is to be sent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance_discovery_libp2p.wire import multistream, yamux
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.multistream import Negotiation
from appliance_discovery_libp2p.wire.secured import Secured
from appliance_discovery_libp2p.wire.yamux import Yamux

NOISE: Final = "/noise"
YAMUX: Final = "/yamux/1.0.0"


class Ready(NamedTuple):
    """The peer is proved, and streams can be opened."""

    peer: bytes


Event = Ready | yamux.Event


class Entropy(NamedTuple):
    """32 random bytes each, for one connection only."""

    static: bytes
    ephemeral: bytes


class Session:
    """One side of a connection. `expects`: the peer it must be, None: whoever it is.

    `entropy` is drawn once somebody is there who speaks Noise.
    """

    def __init__(self, own: OwnKey, entropy: Callable[[], Entropy], *, initiator: bool, expects: bytes | None = None) -> None:
        self.mux = Yamux(initiator=initiator)
        self.ready = False
        self._own, self._entropy, self._initiator, self._expects = own, entropy, initiator, expects
        self._plain_out = bytearray()
        """Of the second negotiation, before it is sealed."""
        self._out = bytearray()
        self._security: Negotiation | None = self._negotiation(NOISE, self._out)
        self._secured: Secured | None = None
        self._muxer: Negotiation | None = None

    def receive(self, data: bytes, frames: int = sys.maxsize) -> list[Event]:
        """What the first frames do; where `mux.more`, call it again with b"". Raises Malformed: end the connection."""
        if self._security is not None:
            self._security.receive(data)
            if self._security.chosen is None:
                return []
            data, self._security = bytes(self._security.rest), None
            self._secured = Secured(self._own, initiator=self._initiator, expects=self._expects, **self._entropy()._asdict())
        assert self._secured is not None
        plain = self._secured.receive(data)
        if self.ready:
            return list(self.mux.receive(plain, frames))
        return self._begin(self._secured, plain, frames)

    def take_out(self) -> bytes:
        """What is to be sent now."""
        if self._secured is not None:
            for plain in (self._plain_out, self.mux.out):
                if plain and self._secured.peer is not None:
                    self._secured.send(plain)
                    plain.clear()
            self._out += self._secured.out
            self._secured.out.clear()
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def _begin(self, secured: Secured, plain: bytes, frames: int) -> list[Event]:
        if secured.peer is None:
            return []
        if self._muxer is None:
            self._muxer = self._negotiation(YAMUX, self._plain_out)
        self._muxer.receive(plain)
        if self._muxer.chosen is None:
            return []
        self.ready = True
        return [Ready(secured.peer), *self.mux.receive(bytes(self._muxer.rest), frames)]

    def _negotiation(self, protocol: str, out: bytearray) -> Negotiation:
        return multistream.Dialer((protocol,), out) if self._initiator else multistream.Listener((protocol,), out)
