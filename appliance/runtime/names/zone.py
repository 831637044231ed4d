"""What the names of a network are answered with. No I/O.

The zone is NAME.LABEL, and the reverse names of the addresses in the node's own networks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from appliance.api.values import Network
from appliance.runtime.peers.table import Address
from appliance.wire.dns import TYPE_A, TYPE_AAAA
from appliance.wire.dns_service import TYPE_ANY, TYPE_PTR, Code, Question, Record, address_record, answer, pointer_record

SECONDS: Final = 30
"""How long an answer may be remembered. Chosen: a member's new address is known soon, and one question a peer in half a minute is
little."""
NEGATIVE_SECONDS: Final = 5
"""How long a "there is none" may be: a member that has just joined is looked for again and again."""
MOST_ADDRESSES: Final = 16
"""Addresses in one answer."""
REVERSE: Final = {"in-addr.arpa": 4, "ip6.arpa": 6}

Lookup = Callable[[str], Sequence[Address]]
"""The addresses of a name, without the label and in lower case; none if nobody has it."""
Reverse = Callable[[Address], str]
"""The name of who has an address; "" if nobody has."""


class Zone:
    """Answers for one network. `networks`: the ranges whose addresses have reverse names."""

    def __init__(self, label: str, networks: Sequence[Network], lookup: Lookup, reverse: Reverse) -> None:
        self.label = label
        self._networks = tuple(networks)
        self._lookup = lookup
        self._reverse = reverse

    def answer(self, asked: Question, room: int | None = None) -> bytes | None:
        """The answer, at most `room` bytes long (None: as by UDP); None for a name that is none of this zone's."""
        name = asked.folded
        if name == self.label:
            return _answer(asked, room, self.label, [])
        if name.endswith(f".{self.label}"):
            found = self._lookup(name[: -len(self.label) - 1])
            records = [address_record(address, SECONDS) for address in found if _fits(address, asked.kind)]
            return _answer(asked, room, self.label, records[:MOST_ADDRESSES], exists=bool(found))
        return self._answer_reverse(asked, room, name)

    def _answer_reverse(self, asked: Question, room: int | None, name: str) -> bytes | None:
        address = _reversed(name)
        network = next((net for net in self._networks if address is not None and address in net), None)
        if address is None or network is None:
            return None
        found = self._reverse(address)
        records = [pointer_record(f"{found}.{self.label}", SECONDS)] if found and asked.kind in {TYPE_PTR, TYPE_ANY} else []
        return _answer(asked, room, name.partition(".")[2], records, exists=bool(found))


def _answer(asked: Question, room: int | None, zone: str, records: Sequence[Record], *, exists: bool = True) -> bytes:
    code = Code.NO_ERROR if exists else Code.NO_SUCH_NAME
    return answer(asked, code, records, zone=zone, negative_seconds=NEGATIVE_SECONDS, room=room)


def _fits(address: Address, kind: int) -> bool:
    return kind in {TYPE_ANY, TYPE_A if address.version == 4 else TYPE_AAAA}


def _reversed(name: str) -> Address | None:
    """The address that a reverse name is about (RFC 1035, section 3.5; RFC 3596, section 2.5)."""
    for suffix, version in REVERSE.items():
        if name.endswith(f".{suffix}"):
            parts = name[: -len(suffix) - 1].split(".")[::-1]
            text = ".".join(parts) if version == 4 else ":".join("".join(parts[at : at + 4]) for at in range(0, 32, 4))
            if len(parts) != (4 if version == 4 else 32) or (version == 6 and any(len(part) != 1 for part in parts)):
                return None
            try:
                return ipaddress.ip_address(text)
            except ValueError:
                return None
    return None
