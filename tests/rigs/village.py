"""Several nodes in one process, as far as applications see them: real streams, real control sockets, and a kernel's TCP over
loopback in the place of the overlay. Members' rows are read by everybody as soon as they are written.

`tests/netns/test_sdk.py` shows the same on real nodes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.api.management import Principal
from appliance.control.admission import Admission
from appliance.control.server import ControlServer
from appliance.members.network import identity_text
from appliance.members.row import Digest, Row, Service, read_row, sign_row
from appliance.protocol.digests import sha256
from appliance.runtime.health import Health
from appliance.runtime.operations import operations
from appliance.runtime.peers.table import Address, PeerEntry, PeerTable
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.streams.part import StreamsPart
from appliance.runtime.streams.sockets import Heard, Hearing, Listening, Source, Taken
from appliance.sdk import Client
from tests.netns.profiles import profile
from tests.rigs.square import Corner, Square

_NUMBERS = count()


class Wire:
    """Who listens where, and who has connected from which port."""

    def __init__(self) -> None:
        self.doors: dict[tuple[Address, int], int] = {}
        self.sources: dict[int, Address] = {}
        self.cut: set[Address] = set()
        """Houses that nobody reaches: connecting there takes for ever."""


class Loopback:
    """OverlaySockets of one house."""

    def __init__(self, wire: Wire, own: Address) -> None:
        self._wire = wire
        self._own = own

    async def connect(self, to: Address, port: int, *, datagrams: bool = False) -> socket.socket:
        if to in self._wire.cut:
            await asyncio.get_running_loop().create_future()
        door = self._wire.doors.get((to, port))
        if door is None:
            raise ConnectionRefusedError(111, "Connection refused")
        made = socket.socket()
        made.settimeout(0)
        try:
            made.bind(("127.0.0.1", 0))
            self._wire.sources[made.getsockname()[1]] = self._own
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", door))
        except BaseException:
            made.close()
            raise
        return made

    def listen(self, port: int, taken: Taken) -> Listening:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.settimeout(0)
        self._wire.doors[self._own, port] = listener.getsockname()[1]
        loop = asyncio.get_running_loop()

        def accept() -> None:
            try:
                connection, source = listener.accept()
            except OSError:
                return
            connection.settimeout(0)
            taken(connection, (self._wire.sources[source[1]], source[1]))

        def close() -> None:
            loop.remove_reader(listener)
            del self._wire.doors[self._own, port]
            listener.close()

        loop.add_reader(listener, accept)
        return SimpleNamespace(close=close)

    def hear(self, port: int, heard: Heard) -> Hearing:
        """Datagrams are not spoken here."""
        return SimpleNamespace(close=lambda: None)  # type: ignore[return-value]

    def answering(self, at: Address, port: int, to: Source) -> socket.socket:
        raise OSError(95, "Operation not supported")


class Board:
    """All rows."""

    def __init__(self) -> None:
        self.rows: dict[Digest, Row] = {}
        self.standings: dict[str, str] = {}
        self.readers: list[Reader] = []

    def put(self, row: Row) -> None:
        """A row is written, and read by all."""
        self.rows[row.member] = read_row(sign_row(row, Ed25519PrivateKey.generate().sign))
        self.changed()

    def changed(self) -> None:
        """Tell all readers."""
        for reader in self.readers:
            for listener in reader.rows_changed:
                listener()


class Reader:
    """The roster of one house (`runtime.streams.offers.Roster`)."""

    def __init__(self, board: Board, own: Digest) -> None:
        self.offered: Callable[[], Sequence[Service]] = lambda: ()
        self.rows_changed: list[Callable[[], None]] = []
        self.listeners: list[Callable[[str, Mapping[str, Any]], None]] = []
        self._board = board
        self._own = own
        self.written = 0
        board.readers.append(self)

    def look(self) -> None:
        self.written += 1
        self._board.put(Row(bytes(32), self._own, self.written, 0, services=tuple(self.offered())))

    def rows(self) -> Mapping[Digest, Row]:
        return self._board.rows

    def standing(self, identity: str) -> str:
        return self._board.standings.get(identity, "alive")


class House:
    """One node."""

    def __init__(self, name: str, number: int, village: Village) -> None:
        self.name = name
        self.digest = sha256(name.encode())
        self.identity = identity_text(self.digest)
        self.overlay = ipaddress.ip_address(f"10.8.0.{number}")
        self.address = f"\0appliance-village-{os.getpid()}-{next(_NUMBERS)}"
        self.problems: dict[str, str] = {}
        self.roster = Reader(village.board, self.digest) if village.board else None
        self._village = village
        self._server: ControlServer | None = None
        self._listener: socket.socket | None = None

    def entry(self) -> PeerEntry:
        """As the others have it."""
        return PeerEntry(self.name, self.identity, allowed=(ipaddress.ip_network(self.overlay),))

    async def start(self) -> None:
        """Be a node, or be one again."""
        others = [house.entry() for house in self._village.houses.values() if house is not self]
        table = PeerTable(others, [self.overlay])
        mine = profile(addresses=[f"{self.overlay}/24"])
        self.part = StreamsPart(table, lambda: mine)
        self.part.sockets = lambda: Loopback(self._village.wire, self.overlay)
        node = SimpleNamespace(
            calls=PluginCalls(),
            plugins=SimpleNamespace(api_routes=dict),
            asked=lambda _plugin: None,
            peers=SimpleNamespace(table=table),
            called=self.name,
            identity=SimpleNamespace(fingerprint=self.identity),
            mesh=None if self.roster is None else SimpleNamespace(gossip=self.roster),
            driver=SimpleNamespace(node=SimpleNamespace(peers={}, sessions={})),
            health=lambda: Health(self.problems, ready=True),
        )
        self.corner = Corner(self.name, self._village.square)
        self._village.square.corners[self.name] = self.corner
        node.optional = SimpleNamespace(knowledge=SimpleNamespace(parts={"topics": self.corner}))
        shown = SimpleNamespace(in_force=SimpleNamespace(profile=mine))
        asked: Any = SimpleNamespace(node=node, streams=self.part, shown=shown)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(self.address)
        self._listener.listen(512)
        self._server = ControlServer(operations(asked), _all_may, Admission())
        self._server.serve(self._listener)

    async def stop(self) -> None:
        """Be none. Safe to call twice."""
        if self._server is not None and self._listener is not None:
            self._listener.close()
            await self._server.close()
            await self.part.close()
            self._server = None

    def client(self, **settings: Any) -> Client:
        """An application of this host."""
        return Client(self.address, **settings)


class Village:
    """The nodes, by name. `members`: they have a network; else they are each other's peers by their profiles."""

    def __init__(self, names: Sequence[str], *, members: bool) -> None:
        self.wire = Wire()
        self.square = Square()
        self.board = Board() if members else None
        self.houses: dict[str, House] = {}
        for number, name in enumerate(names, 1):
            self.houses[name] = House(name, number, self)

    def __getitem__(self, name: str) -> House:
        return self.houses[name]


@asynccontextmanager
async def village(*names: str, members: bool = True) -> AsyncIterator[Village]:
    """Nodes of these names that know each other."""
    made = Village(names, members=members)
    async with AsyncExitStack() as stack:
        for house in made.houses.values():
            await house.start()
            stack.push_async_callback(house.stop)
        yield made


async def _all_may(_principal: Principal, _permission: str, _operation: str) -> bool:
    return True
