"""A proxy onto the overlay for programs that speak SOCKS5 (RFC 1928) or HTTP's CONNECT, both at one local port.

Names are looked up inside the overlay, by the node; what is none there, and what is no peer's address, is refused. Nothing ever
goes outside in the clear.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

from appliance.errors import PeerFault
from appliance.sdk.datagrams import MOST as MOST_DATAGRAM
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import AccessDenied, PeerUnreachable, SDKError, ServiceNotFound, UnknownPeer
from appliance.sdk.local.doorway import Doorway
from appliance.sdk.local.flows import Flows
from appliance.sdk.local.splicing import splice
from appliance.sdk.local.tunnel import READS, Dials
from appliance.sdk.sockets import listening, read_exactly
from appliance.wire import http_connect, socks5

HELLO_SECONDS: Final = 10.0
"""How long a program may take to say what it wants."""
DIAL_SECONDS: Final = 10.0


class _Wanted(NamedTuple):
    """What a program asked for. No host: that its datagrams are carried."""

    host: str
    port: int
    opened: bytes
    """What it is told when it has it."""
    failed: Callable[[SDKError], bytes]
    """What it is told otherwise."""


class Proxy:
    """`async with Proxy(client) as proxy:`; programs are told `proxy.local_address`.

    `counted`: connections by protocol ("socks", "http", "udp"), and those refused, by reason. It asks for no password: whoever
    may connect to the local port may use it.
    """

    def __init__(self, client: Dials, *, local: tuple[str, int] = ("127.0.0.1", 1080)) -> None:
        self._client = client
        self._local = local
        self._doorway: Doorway | None = None
        self.counted: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def start(self) -> None:
        """Listen. Raises BadAddress."""
        self._doorway = Doorway(self._local, self._handle)

    async def close(self) -> None:
        """Stop listening, and break off what goes through."""
        if self._doorway is not None:
            await self._doorway.close()

    @property
    def local_address(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        return self._local if self._doorway is None else self._doorway.address

    async def _handle(self, local: socket.socket) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first = await read_exactly(local, 1)
                wanted = await (self._socks(local) if first[0] == socks5.VERSION else self._http(local, first))
        except TimeoutError:
            self.counted["silent"] += 1
            return
        except (PeerFault, EOFError, OSError):
            self.counted["malformed"] += 1
            return
        with suppress(OSError):
            if wanted is not None and wanted.host:
                await self._carry(local, wanted)
            elif wanted is not None:
                await self._associate(local)

    async def _carry(self, local: socket.socket, wanted: _Wanted) -> None:
        loop = asyncio.get_running_loop()
        try:
            stream = await self._client.connect(wanted.host.rstrip(".").lower(), wanted.port, deadline=DIAL_SECONDS)
        except SDKError as error:
            self.counted[f"refused {error.code}"] += 1
            await loop.sock_sendall(local, wanted.failed(error))
            return
        async with stream:
            await loop.sock_sendall(local, wanted.opened)
            await splice(local, stream.detach())

    # ---- SOCKS5 ----

    async def _socks(self, local: socket.socket) -> _Wanted | None:
        loop = asyncio.get_running_loop()
        method = socks5.chosen_method(await read_exactly(local, (await read_exactly(local, 1))[0]))
        await loop.sock_sendall(local, bytes((socks5.VERSION, method)))
        if method == socks5.NONE_ACCEPTABLE:
            self.counted["no-method"] += 1
            return None
        _version, command, _reserved, kind, first = await read_exactly(local, 5)
        rest = bytes((first,)) + await read_exactly(local, socks5.rest_of_address(kind, first))
        destination = socks5.read_destination(kind, rest)
        match command:
            case socks5.Command.CONNECT:
                self.counted["socks"] += 1
                return _Wanted(destination.host, destination.port, socks5.reply(socks5.Reply.SUCCEEDED), _socks_failure)
            case socks5.Command.UDP_ASSOCIATE:
                self.counted["udp"] += 1
                return _Wanted("", 0, b"", _socks_failure)
        self.counted["no-command"] += 1
        await loop.sock_sendall(local, socks5.reply(socks5.Reply.COMMAND_NOT_SUPPORTED))
        return None

    async def _associate(self, local: socket.socket) -> None:
        """Carry a program's datagrams for as long as its connection lasts (RFC 1928, section 7)."""
        loop = asyncio.get_running_loop()
        with listening((local.getsockname()[0], 0), socket.SOCK_DGRAM) as bound:
            association = _Association(self._client, bound, local.getpeername()[0])
            loop.add_reader(bound, association.read)
            try:
                await loop.sock_sendall(local, socks5.reply(socks5.Reply.SUCCEEDED, bound.getsockname()[:2]))
                while await loop.sock_recv(local, 4096):
                    pass
            finally:
                loop.remove_reader(bound)
                await association.flows.close()

    # ---- HTTP ----

    async def _http(self, local: socket.socket, first: bytes) -> _Wanted | None:
        loop, head = asyncio.get_running_loop(), first
        while not head.endswith(http_connect.END):
            if len(head) > http_connect.MOST_HEAD:
                raise PeerFault(http_connect.MALFORMED)
            head += await read_exactly(local, 1 if head.endswith((b"\r", b"\n")) else await _up_to_line_end(local))
        try:
            host, port = http_connect.read_connect(head)
        except PeerFault as error:
            self.counted[str(error)] += 1
            status = http_connect.NOT_ALLOWED if str(error) == http_connect.NOT_CONNECT else http_connect.BAD_REQUEST
            await loop.sock_sendall(local, http_connect.answer(status, "this proxy does CONNECT, and nothing else"))
            return None
        self.counted["http"] += 1
        return _Wanted(host, port, http_connect.answer(http_connect.ESTABLISHED), _http_failure)


async def _up_to_line_end(local: socket.socket) -> int:
    """How many bytes can be taken without one from behind this line: what follows the head is not the proxy's."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(local, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(local)
    seen = local.recv(4096, socket.MSG_PEEK)
    end = seen.find(b"\r")
    return max(1, len(seen) if end < 0 else end + 1)


class _Association:
    """The datagrams of one program. Each destination has a flow, whatever port the program sends from."""

    def __init__(self, client: Dials, bound: socket.socket, host: str) -> None:
        self._client = client
        self._bound = bound
        self._host = host
        self.flows = Flows()

    def read(self) -> None:
        """Take what the program has sent."""
        for _ in range(READS):
            try:
                datagram, source = self._bound.recvfrom(MOST_DATAGRAM)
            except OSError:
                return
            if source[0] != self._host:  # of another host than the program's
                continue
            try:
                destination, data = socks5.read_datagram(datagram)
            except PeerFault:
                continue
            self.flows.send((source, destination), data, self._opened(destination), self._back(source, destination))

    def _opened(self, destination: socks5.Destination) -> Callable[[], Awaitable[Datagrams]]:
        return lambda: self._client.connect_datagrams(
            destination.host.rstrip(".").lower(), destination.port, deadline=DIAL_SECONDS
        )

    def _back(self, source: Any, destination: socks5.Destination) -> Callable[[bytes], None]:
        def back(data: bytes) -> None:
            with suppress(OSError):
                self._bound.sendto(socks5.encode_datagram(destination, data), source)

        return back


def _socks_failure(error: SDKError) -> bytes:
    match error:
        case AccessDenied():
            code = socks5.Reply.NOT_ALLOWED
        case ServiceNotFound():
            code = socks5.Reply.REFUSED
        case UnknownPeer() | PeerUnreachable():
            code = socks5.Reply.HOST_UNREACHABLE
        case _:
            code = socks5.Reply.FAILURE
    return socks5.reply(code)


def _http_failure(error: SDKError) -> bytes:
    match error:
        case AccessDenied():
            status = http_connect.FORBIDDEN
        case PeerUnreachable():
            status = http_connect.GATEWAY_TIMEOUT
        case _:
            status = http_connect.BAD_GATEWAY
    return http_connect.answer(status, f"{error.message}: {error.hint}" if error.hint else error.message)
