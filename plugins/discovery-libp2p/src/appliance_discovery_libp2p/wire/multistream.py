r"""Which protocol is spoken: multistream-select 1.0 (libp2p specs, connections/README.md).

    message   varint length ── text ── "\n"
    both      /multistream/1.0.0
    dialer    a protocol      listener   the same (then it is spoken), or "na"

The dialer proposes one after the other. `ls` is answered with "na": nobody needs the list, which identify gives anyway.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Final

from appliance_discovery_libp2p.wire import varint
from appliance_discovery_libp2p.wire.malformed import Malformed

VERSION: Final = "/multistream/1.0.0"
NOT_AVAILABLE: Final = "na"
LONGEST: Final = 256
"""Bytes of a message; protocols have names of thirty."""
MOST_PROPOSALS: Final = 32
"""That a dialer may make before it is a nuisance."""


class Negotiation(ABC):
    """One side of it. `receive` takes what came; `out` is to be sent; once `chosen` is not None, `rest` is the protocol's."""

    def __init__(self, out: bytearray) -> None:
        self.chosen: str | None = None
        self.out = out
        self.rest = bytearray()
        self._greeted = False
        self._say(VERSION)

    def receive(self, data: bytes | bytearray) -> None:
        """Raises Malformed: end what it is about."""
        self.rest += data
        while self.chosen is None and (message := varint.unframed(self.rest, LONGEST)) is not None:
            if not message.endswith(b"\n") or not message.isascii():
                raise Malformed("multistream")
            text = message[:-1].decode("ascii")
            if self._greeted:
                self._hear(text)
            elif text != VERSION:
                raise Malformed("multistream")
            self._greeted = True

    @abstractmethod
    def _hear(self, text: str) -> None:
        """A message behind the greeting."""

    def _say(self, text: str) -> None:
        self.out += varint.framed(text.encode() + b"\n")


class Dialer(Negotiation):
    """Proposes protocols, best first."""

    def __init__(self, protocols: Sequence[str], out: bytearray | None = None) -> None:
        super().__init__(bytearray() if out is None else out)
        self._left = list(protocols)
        self._say(self._left[0])

    def _hear(self, text: str) -> None:
        if text == self._left[0]:
            self.chosen = text
        elif text != NOT_AVAILABLE:
            raise Malformed("multistream")
        elif len(self._left) == 1:
            raise Malformed("no common protocol")
        else:
            del self._left[0]
            self._say(self._left[0])


class Listener(Negotiation):
    """Takes the first proposal that it knows."""

    def __init__(self, protocols: Collection[str], out: bytearray | None = None) -> None:
        super().__init__(bytearray() if out is None else out)
        self._protocols = protocols
        self._proposals = 0

    def _hear(self, text: str) -> None:
        self._proposals += 1
        if text in self._protocols:
            self.chosen = text
            self._say(text)
        elif self._proposals >= MOST_PROPOSALS:
            raise Malformed("no common protocol")
        else:
            self._say(NOT_AVAILABLE)
