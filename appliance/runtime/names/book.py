"""Who is called what: the addresses behind the names of this node and of its peers, from the one table of peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from appliance.api.values import Network
from appliance.runtime.peers.table import Address, PeerTable

if TYPE_CHECKING:
    from appliance.api.profile import Profile


class Book:
    """An index of the table, made anew at the first question after a change. Names are in lower case here; of two that differ in
    case only, the first in the table has it."""

    def __init__(self, table: PeerTable, called: Callable[[], str], profile: Profile) -> None:
        """`called()` is what this node is called."""
        self._table = table
        self._called = called
        self._addresses: dict[str, tuple[Address, ...]] = {}
        self._names: dict[Address, str] = {}
        self._as_of: tuple[int, str] | None = None
        self.use(profile)

    def use(self, profile: Profile) -> None:
        """This node has the addresses of `profile` from now on."""
        self._own = tuple(address.ip for address in profile.network.addresses)
        self._networks = tuple(address.network for address in profile.network.addresses)
        self._as_of = None

    def lookup(self, name: str) -> Sequence[Address]:
        """The addresses of who is called `name`, this node included."""
        self._refresh()
        return self._addresses.get(name, ())

    def reverse(self, address: Address) -> str:
        """Who has `address`; "" if that is not known."""
        self._refresh()
        return self._names.get(address, "")

    def _refresh(self) -> None:
        now = self._table.changes, self._called().lower()
        if self._as_of == now:
            return
        self._as_of = now
        self._addresses.clear()
        self._names.clear()
        self._note(now[1], self._own)
        for entry in self._table:
            self._note(entry.name.lower(), addresses_of(entry.allowed, self._networks))

    def _note(self, name: str, addresses: Sequence[Address]) -> None:
        if name and addresses and name not in self._addresses:
            self._addresses[name] = tuple(addresses)
            for address in addresses:
                self._names.setdefault(address, name)


def addresses_of(allowed: Sequence[Network], networks: Sequence[Network]) -> tuple[Address, ...]:
    """Which of a peer's prefixes are the peer itself: single addresses in the node's own `networks`, or else the first single
    address of each IP version. Others stand for what is behind the peer."""
    single = [prefix.network_address for prefix in allowed if prefix.prefixlen == prefix.max_prefixlen]
    near = tuple(address for address in single if any(address in network for network in networks))
    return near or tuple(_first_of_each(single))


def _first_of_each(addresses: Sequence[Address]) -> Iterator[Address]:
    seen: set[int] = set()
    for address in addresses:
        if address.version not in seen:
            seen.add(address.version)
            yield address
