"""Where a member can be called, as it stands in the hash table under its identity: its row, as far as it fits into a value.

It is a row without services and times, so that it changes only when the member's places do. Its signature is left empty: that of
the record around it counts, and nobody can pass it on as the member's row.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from appliance.knowledge.dht.ids import PLACE
from appliance.members.row import (
    DIGEST_BYTES,
    SIGNATURE_BYTES,
    Digest,
    Reachable,
    Row,
    RowRefused,
    read_row,
    sign_row,
)

MOST_ENDPOINTS: Final = 12
MOST_RELAYS: Final = 4
"""More are no help, and few of a usual length fit besides."""


def key_of(member: Digest) -> bytes:
    """Under which key it stands."""
    return PLACE + member


def member_of(key: bytes) -> Digest | None:
    """Whose place stands under a key; None if the key is another one."""
    digest = key.removeprefix(PLACE)
    return digest if key.startswith(PLACE) and len(digest) == DIGEST_BYTES else None


def place_of(row: Row, most: int) -> bytes:
    """What to put there, at most so many bytes: the endpoints most wanted by the member, and its first relays. b"" if it cannot
    be called anywhere, or has said that it leaves."""
    endpoints = [Reachable(each.kind, 0, each.endpoint) for each in row.endpoints[:MOST_ENDPOINTS]]
    relays = row.relays[:MOST_RELAYS]
    while not row.leaving and (endpoints or relays):
        encoded = sign_row(Row(row.network, row.member, 0, 0, 0, tuple(endpoints), relays), lambda _said: bytes(SIGNATURE_BYTES))
        if len(encoded) <= most:
            return encoded
        if not endpoints:
            relays = relays[:-1]
        endpoints = endpoints[:-1]
    return b""


def read_place(value: bytes, network: Digest, member: Digest) -> Row | None:
    """The row. None if it is none of that member's."""
    with suppress(RowRefused):
        row = read_row(value)
        if (row.network, row.member) == (network, member):
            return row
    return None
