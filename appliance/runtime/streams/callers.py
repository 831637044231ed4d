"""Whose an address inside the overlay is. A peer speaks for an address only if its prefix is that address alone; what lies in a
wider one is what a hub says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.sockets import Source


class Caller(NamedTuple):
    """Who is at the other end of a stream that came in."""

    address: Address
    peer: str = ""
    """The peer's name; "" for a process of this host."""
    identity: str = ""
    behind: bool = False
    """Somebody behind that peer, by its word."""
    port: int = 0
    """Its port there."""
    datagrams: bool = False
    """It sends datagrams."""

    @property
    def text(self) -> str:
        """For people."""
        if not self.peer:
            return "this host"
        return f"{self.address} behind {self.peer}" if self.behind else self.peer


def caller_at(source: Source, table: PeerTable, own: Sequence[Address], *, datagrams: bool = False) -> Caller | None:
    """Who is there; None if nobody we know."""
    address, port = source
    if address in own:
        return Caller(address, port=port, datagrams=datagrams)
    found = table.at(address)
    if found is None:
        return None
    entry, prefix = found
    return Caller(
        address, entry.name, entry.identity, behind=prefix.prefixlen != prefix.max_prefixlen, port=port, datagrams=datagrams
    )
