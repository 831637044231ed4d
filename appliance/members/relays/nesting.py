"""Relays behind relays: a session may go over a relay whose own session goes over another one, and so on, but not in a circle.

A ── R1 ── R2 ── B     A's session with R2 goes over R1, and A's link to B is a circuit of R2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.members.relays.messages import CircuitRefused, Reason

MOST_RELAYS: Final = 3
"""In a row between two nodes: each costs a record's work twice, and its round trip."""

Via = Callable[[str], str | None]
"""`via(peer)`: the relay that the session with `peer` goes over; None: it goes directly, or there is none."""


def carriers(peer: str, via: Via) -> tuple[str, ...]:
    """The relays that the session with `peer` goes over, the nearest to it first. One more than MOST_RELAYS means that there may
    be more."""
    found: list[str] = []
    relay = via(peer)
    while relay is not None and len(found) <= MOST_RELAYS:
        found.append(relay)
        relay = via(relay)
    return tuple(found)


def check_way(peer: str, relay: str, via: Via) -> int:
    """How many relays a link to `peer` over `relay` goes through on this node's side. Raises CircuitRefused for a circle, or for
    too many."""
    before = carriers(relay, via)
    if peer in (relay, *before):
        raise CircuitRefused(Reason.CIRCLE)
    if len(before) >= MOST_RELAYS:
        raise CircuitRefused(Reason.TOO_FAR)
    return len(before) + 1


def check_joint(caller: str, callee: str, via: Via, relays_to: Callable[[str], int]) -> int:
    """How many relays will be between two nodes that this one joins. `relays_to(peer)`: those between this node and `peer`.
    Raises CircuitRefused."""
    if caller == callee or callee in carriers(caller, via) or caller in carriers(callee, via):
        raise CircuitRefused(Reason.CIRCLE)
    relays = relays_to(caller) + 1 + relays_to(callee)
    if relays > MOST_RELAYS:
        raise CircuitRefused(Reason.TOO_FAR)
    return relays
