"""Hands what was signed on this host to the node that runs here, so that it counts at once and everybody hears of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from appliance.control import client
from appliance.errors import ApplianceError, NoDaemon
from appliance.members.parcel import pack_parcel

if TYPE_CHECKING:
    from appliance.cli.terminal import Terminal

SECONDS = 5.0
MOST_BYTES = 1 << 20
"""Of statements in one call; the node takes four times as much, and is done with these in a tenth of a second."""


def hand_over(terminal: Terminal, network: str, statements: Iterable[bytes]) -> bool:
    """Let the running node take `statements` of the network with that fingerprint. They are in the folder already, where a node
    finds them when it starts, or half a minute later. True if it has them now."""
    try:
        for piece in pieces(statements):
            client.call("statements", {"network": network}, body=pack_parcel(piece), timeout=SECONDS)
    except NoDaemon:
        return False
    except ApplianceError as error:
        terminal.note(f"the node that runs here did not take it at once: {error.message}")
        return False
    terminal.note("the node that runs here has it, and tells the others")
    return True


def pieces(statements: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """All of them in their order, as much at a time as one call takes; one piece of nothing if there are none."""
    piece: list[bytes] = []
    size = 0
    for each in statements:
        if piece and size + len(each) > MOST_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(each)
        size += len(each)
    yield piece
