"""This node in libp2p networks: it calls and is called, knows who is connected, and gives each stream to its protocol.

Every handler and every question has a limit of time, every table a bound, and what goes wrong is counted by reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance_discovery_libp2p.net.connection import NEGOTIATION_SECONDS, Connection
from appliance_discovery_libp2p.net.streams import Stream
from appliance_discovery_libp2p.net.turns import TASK_SECONDS, Turns
from appliance_discovery_libp2p.wire import identify, multistream, varint
from appliance_discovery_libp2p.wire.identify import Identity
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr
from appliance_discovery_libp2p.wire.session import Entropy, Session

MOST_CONNECTIONS: Final = 96
"""Both ways."""
MOST_CALLERS: Final = 64
"""Connections from outside."""
MOST_FROM_ONE: Final = 16
"""Connections from outside from one address."""
CALLERS_PER_SECOND: Final = 20
"""That are let in in the long run: a handshake takes half a millisecond."""
CALLERS_AT_ONCE: Final = 200
MOST_TO_ONE: Final = 3
"""Connections with one peer: both sides may call at the same moment."""
DIAL_SECONDS: Final = 5.0
"""For one address, until TCP is up."""
MOST_DIALED: Final = 4
"""Addresses of a peer that are tried."""
IDLE_SECONDS: Final = 60.0
"""After which a connection in which nothing is said ends, or is asked whether the peer is there."""
MOST_SILENT_SECONDS: Final = 200.0
"""That a peer may leave such questions without an answer."""
LATELY_SECONDS: Final = 10.0
"""A connection that was used since then makes no room for another one."""
TURN_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
PING: Final = "/ipfs/ping/1.0.0"
PING_BYTES: Final = 32

Handler = Callable[[Stream], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]
FAILURES: Final = (OSError, Malformed, TimeoutError)
"""What asking a peer may end with."""


class Host:
    """`spawn` runs tasks that end with the host; `identified` hears what a peer says of itself, `left` that it is gone."""

    def __init__(self, own: OwnKey, spawn: Spawn) -> None:
        self.own = own
        self.counted: Counter[str] = Counter()
        self.announced: tuple[Multiaddr, ...] = ()
        """Where others are told to call this node; see `announce`."""
        self.identified: list[Callable[[Connection, Identity], None]] = []
        self.left: list[Callable[[bytes], None]] = []
        self.keeps: list[Callable[[bytes], bool]] = []
        """Each says whether it wants a quiet connection with a peer to stay."""
        self.turns = Turns(self.now)
        """In which strangers are served."""
        self._spawn = spawn
        self._handlers: dict[str, Handler] = {}
        self._seconds: dict[str, float] = {}
        self._connections: dict[bytes, list[Connection]] = {}
        self._all: set[Connection] = set()
        self._dialing: dict[bytes, asyncio.Future[Connection]] = {}
        self._servers: list[asyncio.Server] = []
        self._allowance = float(CALLERS_AT_ONCE)
        self.handle(PING, self._answer_pings, IDLE_SECONDS)
        self.handle(identify.IDENTIFY, self._say_who)
        self.handle(identify.PUSH, self._hear_push)

    # ---- life ----

    async def listen(self, host: str, port: int) -> int:
        """Accept peers there; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._called, host, port, backlog=64)
        self._servers.append(server)
        port_taken: int = server.sockets[0].getsockname()[1]
        return port_taken

    async def run(self) -> None:
        """What has to be done now and then. Ends when cancelled."""
        while True:
            await asyncio.sleep(TURN_SECONDS)
            now = self.now()
            self._allowance = min(float(CALLERS_AT_ONCE), self._allowance + TURN_SECONDS * CALLERS_PER_SECOND)
            for connection in list(self._all):
                connection.refill(TURN_SECONDS)
                if connection.alive and now - connection.last_used > IDLE_SECONDS:
                    self._judge_quiet(connection, now)

    def _judge_quiet(self, connection: Connection, now: float) -> None:
        """Nothing was said for a while. One that is wanted is asked whether it is there, others end."""
        if not any(keeps(connection.peer) for keeps in self.keeps):
            connection.close()
        elif now - connection.last_heard > MOST_SILENT_SECONDS:
            connection.abort("silent")
        else:
            connection.probe()

    async def close(self) -> None:
        """End everything."""
        for server in self._servers:
            server.close()
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)  # sockets close in the loop's next turn

    @staticmethod
    def now() -> float:
        """The event loop's time, in seconds."""
        return asyncio.get_running_loop().time()

    # ---- peers ----

    @property
    def peers(self) -> Sequence[bytes]:
        """Who is connected."""
        return tuple(self._connections)

    def connection(self, peer: bytes) -> Connection | None:
        """A connection to a peer that takes streams."""
        return next((one for one in self._connections.get(peer, ()) if one.alive), None)

    async def connect(self, peer: bytes | None, addresses: Sequence[Multiaddr]) -> Connection:
        """The connection with a peer, or a new one to the first address that answers. `peer` None: whoever is there. Raises
        OSError, Malformed, TimeoutError."""
        if peer is None:
            return await self._dial(None, addresses)
        if peer == self.own.peer:
            raise OSError("ourselves")
        found = self.connection(peer)
        if found is not None:
            return found
        if peer in self._dialing:
            return await asyncio.shield(self._dialing[peer])
        waiting = self._dialing[peer] = asyncio.get_running_loop().create_future()
        try:
            dialed = await self._dial(peer, addresses)
        except BaseException as error:
            waiting.set_exception(error if isinstance(error, Exception) else OSError("given up"))
            waiting.exception()  # nobody need have waited
            raise
        finally:
            del self._dialing[peer]
        waiting.set_result(dialed)
        return dialed

    async def open(self, peer: bytes, addresses: Sequence[Multiaddr], protocols: Sequence[str]) -> tuple[Stream, str]:
        """A stream to a peer, and which of the protocols is spoken in it. Raises OSError, Malformed, TimeoutError."""
        return await (await self.connect(peer, addresses)).open(protocols)

    async def ping(self, peer: bytes, payload: bytes) -> None:
        """Have 32 bytes come back. Raises OSError, Malformed, TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            stream, _ = await self.open(peer, (), (PING,))
            try:
                await stream.write(payload)
                back = b""
                while len(back) < PING_BYTES and (data := await stream.read(PING_BYTES - len(back))):
                    back += data
            finally:
                stream.reset()
        if back != payload:
            raise Malformed("ping")

    def expel(self, peer: bytes, reason: str) -> None:
        """End all connections with it."""
        for connection in list(self._connections.get(peer, ())):
            connection.abort(reason)

    def handle(self, protocol: str, handler: Handler, seconds: float = ANSWER_SECONDS) -> None:
        """Streams of this protocol are its, for at most so many seconds each."""
        self._handlers[protocol] = handler
        self._seconds[protocol] = seconds

    async def _dial(self, peer: bytes | None, addresses: Sequence[Multiaddr]) -> Connection:
        self._make_room()
        failure: Exception = OSError("no address")
        for address in addresses[:MOST_DIALED]:
            try:
                async with asyncio.timeout(DIAL_SECONDS):
                    session = self._session(initiator=True, expects=peer or address.peer)
                    made = partial(self._connection, session, dialed=True)
                    loop = asyncio.get_running_loop()
                    _, connection = await loop.create_connection(made, address.host, address.port)
                await connection.ready
            except FAILURES as error:
                failure = error
            else:
                return connection
        raise failure

    def _make_room(self) -> None:
        """For a connection that this node wants. Raises OSError where all others are in use."""
        if len(self._all) < MOST_CONNECTIONS:
            return
        oldest = min(self._all, key=lambda one: one.last_used, default=None)
        if oldest is None or self.now() - oldest.last_used < LATELY_SECONDS:
            self.counted["connections too many"] += 1
            raise OSError("connections too many")
        oldest.abort("made room")

    def _session(self, *, initiator: bool, expects: bytes | None) -> Session:
        return Session(self.own, _entropy, initiator=initiator, expects=expects)

    def _called(self) -> Connection:
        return self._connection(self._session(initiator=False, expects=None), dialed=False)

    def _connection(self, session: Session, *, dialed: bool) -> Connection:
        connection = Connection(self, session, dialed=dialed, now=self.now)
        self._all.add(connection)
        return connection

    # ---- what connections say ----

    def made(self, connection: Connection) -> None:
        """TCP is up. Is there room for one more?"""
        if connection.dialed:
            return
        callers = [one for one in self._all if not one.dialed]
        if self._allowance < 1:  # who is turned away takes none: else a flood would keep others out long after its end
            connection.abort("connections too fast")
            return
        self._allowance -= 1
        if len(callers) > MOST_CALLERS or len(self._all) > MOST_CONNECTIONS:
            connection.abort("connections too many")
        elif sum(one.remote.host == connection.remote.host for one in callers) > MOST_FROM_ONE:
            connection.abort("connections from one")

    def ready(self, connection: Connection) -> None:
        """The peer is proved."""
        if connection.peer == self.own.peer:
            connection.abort("ourselves")
            return
        known = self._connections.setdefault(connection.peer, [])
        known.append(connection)
        if len(known) > MOST_TO_ONE:
            known[0].abort("connections with one")
        self._spawn(self._ask_who(connection), "libp2p identify")

    def opened(self, stream: Stream) -> None:
        """A peer has opened a stream."""

        def begin() -> bool:
            self._spawn(self._serve(stream), "libp2p stream")
            return False

        self.turns.add(stream.connection, begin, TASK_SECONDS)

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is over."""
        self._all.discard(connection)
        if reason:
            self.counted[reason] += 1
        self.counted["streams refused"] += connection.refused
        known = self._connections.get(connection.peer, [])
        if connection in known:
            known.remove(connection)
            if not known:
                del self._connections[connection.peer]
                for left in self.left:
                    left(connection.peer)

    async def _serve(self, stream: Stream) -> None:
        try:
            async with asyncio.timeout(NEGOTIATION_SECONDS):
                protocol = await stream.negotiate(multistream.Listener(self._handlers))
            async with asyncio.timeout(self._seconds[protocol]):
                await self._handlers[protocol](stream)
        except Malformed as error:
            self.counted[error.reason] += 1
            stream.reset()
        except TimeoutError:
            self.counted["stream late"] += 1
            stream.reset()
        except OSError:
            stream.reset()
        else:
            stream.end()

    # ---- ping and identify ----

    async def _answer_pings(self, stream: Stream) -> None:
        with suppress(TimeoutError):
            while data := await stream.read(PING_BYTES):
                stream.connection.spend()
                await stream.write(data)

    def announce(self, addresses: Sequence[Multiaddr]) -> None:
        """Others are to call this node there from now on; who is connected is told."""
        if tuple(addresses) != self.announced:
            self.announced = tuple(addresses)
            for peer in self.peers:
                self._spawn(self._push_who(peer), "libp2p identify")

    async def _push_who(self, peer: bytes) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                stream, _ = await self.open(peer, (), (identify.PUSH,))
                await self._say_who(stream)
                stream.end()
        except FAILURES:
            self.counted["identify failed"] += 1

    async def _say_who(self, stream: Stream) -> None:
        remote = stream.connection.remote
        seen = Multiaddr(remote.host.partition("%")[0], remote.port)
        said = identify.write(self.own.public, self.announced, tuple(self._handlers), seen)
        await stream.write(varint.framed(said))

    async def _hear_push(self, stream: Stream) -> None:
        message = await stream.read_message(identify.LONGEST)
        if message is not None:
            self._heard_who(stream.connection, identify.read(message))

    async def _ask_who(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                stream, _ = await connection.open((identify.IDENTIFY,))
                message = await stream.read_message(identify.LONGEST)
                stream.end()
            if message is not None:
                self._heard_who(connection, identify.read(message))
        except FAILURES:
            self.counted["identify failed"] += 1
        finally:
            connection.known.set()

    def _heard_who(self, connection: Connection, identity: Identity) -> None:
        for identified in self.identified:
            identified(connection, identity)


def _entropy() -> Entropy:
    return Entropy(*(X25519PrivateKey.generate().private_bytes_raw() for _ in range(2)))
