"""The transports of the running node: listening, dialling with time limits, and a socket of its own for a peer that came in.

Each listening address has a transport of its own, so that a changed profile can end one and leave the others alone.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, TypeVar

from appliance.api.transport import Adopted, SocketAddress, Transport, TransportKind
from appliance.api.values import Endpoint
from appliance.errors import HostError, MissingPrivilege, PluginFault, ProfileError
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.linux import marks
from appliance.runtime.links.loops import Refuses, nothing_refused
from appliance.runtime.links.table import Link, Links
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices, opening

log = get_logger("transports")

DIAL_SECONDS = 8.0
"""How long reaching an endpoint may take; the node gives a dial up after ten."""
LISTEN_SECONDS = 10.0
CLOSE_SECONDS = 5.0
"""How long closing a transport may take; it takes milliseconds."""

ACCEPTS = 64
"""Connections that are accepted before others get the event loop: 3 ms of them, when they are closed at once. No pause between:
on a busy machine each pause is long, and the kernel's queue grows meanwhile."""
FULL_PAUSE = 0.05
"""Seconds between two looks whether there is room for another stranger."""

HANDOVER_TRIES, HANDOVER_PAUSE = 50, 0.02
"""A second in all; the worker needs a few milliseconds to close a socket."""


Result = TypeVar("Result")


class Core(NamedTuple):
    """A transport of the core, which no plugin brings and nobody listens by."""

    kind: TransportKind
    dial: Callable[[str, Endpoint], Awaitable[Adopted]]
    """`dial(peer, endpoint)`: a link to that peer. Raises OSError."""


class LinkListener(Protocol):
    """Who hears of links. Called on the event loop."""

    def on_link(self, link: Link, peer: str | None) -> None:
        """A link is there: dialled for `peer`, or accepted or listening (None)."""

    def on_link_dropped(self, number: int) -> None:
        """A listening address was given up, and its shared socket with it."""

    def on_dial_failed(self, peer: str, endpoint: Endpoint, reason: str) -> None:
        """An endpoint could not be reached."""

    def may_come(self, source: SocketAddress) -> bool:
        """May a stranger that was accepted be handed over?"""

    def full(self) -> bool:
        """Are there too many strangers to accept another?"""


class Transports:
    """Open transports by scheme and listening address. `datagram_bytes` is the profile's, None for automatic. `mark` is what
    their packets carry, None for nothing; `refuses` judges each address before it is dialled."""

    def __init__(
        self,
        kinds: Mapping[str, TransportKind],
        links: Links,
        listener: LinkListener,
        datagram_bytes: int | None,
        mark: int | None = None,
        refuses: Refuses = nothing_refused,
        calls: PluginCalls | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._kinds = kinds
        self._links = links
        self.listener = listener
        self._calls = calls or PluginCalls()
        self._tasks = Tasks()
        self._dialling: dict[str, _Open] = {}
        self._listening: dict[Endpoint, _Open] = {}
        self.bound: dict[Endpoint, Endpoint] = {}
        """Where each listening endpoint of the profile is really bound."""
        self.datagram_bytes = datagram_bytes
        self.mark = mark
        self.settings = settings or {}
        """What the profile says below `transports`, by scheme. What is open with others is opened anew by `listen` and `dial`."""
        self._refuses = refuses
        self._refused: set[str] = set()
        self._beside: dict[int, _Open] = {}
        self._dials = 0
        self.from_listeners = False
        """Call peers from the port that the node listens at, where there is such: for a NAT it is the same socket then."""
        self.core: dict[str, Core] = {}
        """By scheme. They come before those of plugins."""

    async def listen(self, wanted: Sequence[Endpoint]) -> None:
        """Listen at `wanted` and nowhere else; what is there already stays. Raises HostError and then has changed nothing."""
        await self.listen_also(wanted)
        for endpoint in [endpoint for endpoint in self._listening if endpoint not in wanted]:
            await self._unlisten(endpoint)

    async def listen_also(self, wanted: Sequence[Endpoint]) -> None:
        """Listen at `wanted` too; only what is in the way of that ends. Raises HostError and then has changed nothing."""
        fresh: dict[Endpoint, _Open] = {}
        bound: dict[Endpoint, Endpoint] = {}
        # first down, where a wildcard takes over from an address or the other way round
        gone = [endpoint for endpoint in self._listening if endpoint not in wanted]
        clash = {
            endpoint: self._listening[endpoint].written
            for endpoint in gone
            if any(other not in self._listening and _clash(endpoint, other) for other in wanted)
        } | {endpoint: opened.written for endpoint, opened in self._listening.items() if self._is_stale(opened)}
        for endpoint in clash:
            await self._unlisten(endpoint)
        try:
            for endpoint in wanted:
                if endpoint not in self._listening:
                    opened = fresh[endpoint] = self._open(endpoint.scheme)
                    bound[endpoint] = await self._listen(opened, endpoint, patient=bool(clash))
        except BaseException:
            for endpoint, opened in fresh.items():
                await self._close(opened, bound.get(endpoint))
            for endpoint, written in clash.items():
                self._listening[endpoint] = opened = self._open(endpoint.scheme, written)
                self.bound[endpoint] = await self._listen(opened, endpoint, patient=True)
            raise
        self._listening.update(fresh)
        self.bound.update(bound)

    def stats(self) -> dict[str, int]:
        """Addresses that are listened at, and dials: those that run, and all so far."""
        return {"listening": len(self._listening), "dialling": len(self._tasks), "dials": self._dials}

    def dial(self, peer: str, endpoint: Endpoint) -> None:
        """Try to reach `peer` at `endpoint`; the listener hears how it went."""
        self._dials += 1
        self._tasks.spawn(self._dial(peer, endpoint), f"dial {endpoint}")

    async def connect(self, listener: Link, source: SocketAddress, spoken_to: str | None = None) -> Link | None:
        """A socket of its own for the peer at `source`, where the transport has such. Raises OSError.

        `spoken_to` is the address of this host that the peer reached the listener at, None when it has only one.
        """
        opened = next(
            (each for wanted, each in self._listening.items() if self.bound.get(wanted) == listener.local),
            self._beside.get(listener.number),
        )
        if opened is None:
            return None
        local = listener.local if spoken_to is None else listener.local._replace(host=spoken_to)
        to = Endpoint(listener.local.scheme, *source)
        if (known := self._links.between(listener, to)) is not None:
            return known
        adopted = await opened.attend("connect", lambda: opened.transport.connect(local, to), DIAL_SECONDS, OSError)
        return None if adopted is None else self._added(opened, "connect", adopted)

    async def close(self) -> None:
        """Stop listening and dialling. Links stay."""
        await self._tasks.close()
        for opened in [*self._dialling.values(), *self._listening.values(), *self._beside.values()]:
            await self._close(opened, None)
        self._dialling.clear()
        self._listening.clear()
        self.bound.clear()

    async def _dial(self, peer: str, endpoint: Endpoint) -> None:
        if endpoint.host and (reasons := self._refuses([endpoint.host], str(endpoint), peer)):
            self.listener.on_dial_failed(peer, endpoint, reasons[endpoint.host])
            return
        if self.from_listeners and (link := await self._from_listener(endpoint)) is not None:
            self.listener.on_link(link, peer)
            return
        try:
            link = await self._reach(peer, endpoint)
        except TimeoutError:
            self.listener.on_dial_failed(peer, endpoint, "timeout")
        except OSError as error:
            self.listener.on_dial_failed(peer, endpoint, _reason(error))
        except (HostError, PluginFault, ProfileError) as error:
            self.listener.on_dial_failed(peer, endpoint, error.message)
        else:
            self.listener.on_link(link, peer)

    async def open_beside(self, listener: Link) -> Link:
        """A further shared socket like that of `listener`, at a free port. Raises OSError, ApplianceError."""
        opened = self._open(listener.local.scheme)
        bound = await opened.listen(listener.local._replace(port=0))
        link = self._links.listener_at(bound)
        if link is None:
            raise self._calls.failed(Part("transport", opened.scheme, "listen"), "handed over no socket")
        self._beside[link.number] = opened
        return link

    async def close_beside(self, link: Link) -> None:
        """Close it."""
        opened = self._beside.pop(link.number, None)
        if opened is not None:
            await self._close(opened, link.local)

    async def _from_listener(self, endpoint: Endpoint) -> Link | None:
        """A socket to `endpoint` from a listener's port; None if no listener can reach it."""
        for listener in self._links.listeners(endpoint.scheme, 6 if ":" in endpoint.host else 4):
            with suppress(OSError, PluginFault):  # it listens at an address from which there is no way
                link = await self.connect(listener, (endpoint.host, endpoint.port))
                if link is not None:
                    return link
        return None

    async def _reach(self, peer: str, endpoint: Endpoint) -> Link:
        core = self.core.get(endpoint.scheme)
        if core is not None:
            async with asyncio.timeout(DIAL_SECONDS):
                return self._add(core.kind, await core.dial(peer, endpoint))
        opened = self._dialler(endpoint.scheme)
        adopted = await opened.attend("dial", lambda: _in_time(opened.transport, endpoint), DIAL_SECONDS + 1, OSError)
        return self._added(opened, "dial", adopted)

    def _dialler(self, scheme: str) -> _Open:
        known = self._dialling.get(scheme)
        if known is not None and not self._is_stale(known) and scheme not in self._refused:
            return known
        opened = self._dialling[scheme] = self._open(scheme)
        if known is not None:
            self._tasks.spawn(self._close(known, None), f"close {scheme}")
        return opened

    def _is_stale(self, opened: _Open) -> bool:
        return opened.written != self.settings.get(opened.scheme, {})

    def _open(self, scheme: str, written: Mapping[str, Any] | None = None) -> _Open:
        """`written`: its settings; None for what the profile says."""
        kind = self._kinds.get(scheme)
        if kind is None:
            known = ", ".join(sorted(self._kinds)) or "none"
            raise ProfileError(
                f"no enabled plugin offers the transport {scheme!r}", hint=f"there are: {known}; see `appliance plugins`"
            )
        if scheme in self._refused:
            raise HostError(
                f"transport {scheme} failed in the worker", hint="look at `appliance plugins`, and restart the daemon"
            )
        services = _Services(self, kind, self._calls)
        settings = self.settings.get(scheme, {}) if written is None else written
        try:
            transport = self._calls.call(Part("transport", scheme, "open"), opening(kind, settings, services), OSError)
        except OSError as error:
            message = f"transport {scheme} cannot be opened: {_reason(error)}"
            raise HostError(message, hint=f"look at transports.{scheme} in the profile") from error
        return _Open(scheme, transport, settings, services, self._calls)

    async def forget(self) -> None:
        """Close what dials by a transport that no plugin offers any more."""
        for scheme in [scheme for scheme in self._dialling if scheme not in self._kinds]:
            await self._close(self._dialling.pop(scheme), None)

    def refuse(self, scheme: str) -> None:
        """Open this transport no more: its code fails in the worker."""
        self._refused.add(scheme)

    async def _listen(self, opened: _Open, endpoint: Endpoint, *, patient: bool) -> Endpoint:
        """`patient`: a socket of ours has just been given up there, and the worker may still have it for a moment."""
        for _ in range(HANDOVER_TRIES if patient else 0):
            try:
                return await opened.listen(endpoint)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise _cannot_listen(endpoint, error) from error
            await asyncio.sleep(HANDOVER_PAUSE)
        try:
            return await opened.listen(endpoint)
        except OSError as error:
            raise _cannot_listen(endpoint, error) from error

    def adopt(self, kind: TransportKind, adopted: Adopted) -> None:
        """A transport hands over a socket that a stranger came by, or may come by."""
        self.listener.on_link(self._add(kind, adopted), None)

    def _added(self, opened: _Open, member: str, adopted: object) -> Link:
        """The link of what a transport reached. Raises PluginFault when that is no socket."""
        if not isinstance(adopted, Adopted):
            part = Part("transport", opened.scheme, member)
            raise self._calls.failed(part, f"returned {type(adopted).__name__}, wanted Adopted")
        return self._add(self._kinds[opened.scheme], adopted)

    def _add(self, kind: TransportKind, adopted: Adopted) -> Link:
        if self.mark is not None:  # a transport may know nothing of marks
            marks.set_mark(adopted.sock, self.mark)
        return self._links.add(kind, adopted)

    async def _unlisten(self, endpoint: Endpoint) -> None:
        opened = self._listening.pop(endpoint)
        await self._close(opened, self.bound.pop(endpoint, None))

    async def _close(self, opened: _Open, bound: Endpoint | None) -> None:
        await opened.services.close()
        with suppress(PluginFault):  # it is on the plugin's account
            await opened.attend("close", opened.transport.close, CLOSE_SECONDS)
        listener = None if bound is None else self._links.listener_at(bound)
        if listener is not None:
            self._links.drop(listener.number)
            self.listener.on_link_dropped(listener.number)


class _Open:
    """An open transport and what it runs."""

    def __init__(
        self,
        scheme: str,
        transport: Transport,
        written: Mapping[str, Any],
        services: PluginServices,
        calls: PluginCalls,
    ) -> None:
        self.scheme = scheme
        self.written = written
        """The settings it was opened with, as they stand in the profile."""
        self.transport = transport
        self.services = services
        self._calls = calls

    async def attend(
        self, member: str, deed: Callable[[], Awaitable[Result]], seconds: float, *expected: type[Exception]
    ) -> Result:
        """Call a member of the transport."""
        return await self._calls.attend(Part("transport", self.scheme, member), deed, seconds, *expected)

    async def listen(self, at: Endpoint) -> Endpoint:
        """Where it is really bound. Raises OSError, PluginFault."""
        bound = await self.attend("listen", lambda: self.transport.listen(at), LISTEN_SECONDS, OSError)
        if not isinstance(bound, Endpoint):
            raise self._calls.failed(
                Part("transport", self.scheme, "listen"), f"returned {type(bound).__name__}, wanted Endpoint"
            )
        return bound


class _Services(PluginServices):
    """What one transport gets from the core (api.transport.TransportServices)."""

    def __init__(self, transports: Transports, kind: TransportKind, calls: PluginCalls) -> None:
        super().__init__(calls, "transport", kind.name)
        self._transports = transports
        self._kind = kind
        self._accepted = 0

    @property
    def datagram_bytes(self) -> int | None:
        return self._transports.datagram_bytes

    def exempt(self, sock: socket.socket) -> None:
        if self._transports.mark is not None:
            marks.set_mark(sock, self._transports.mark)

    def adopt(self, adopted: Adopted) -> None:
        self._transports.adopt(self._kind, adopted)

    async def next_turn(self) -> None:
        self._accepted += 1
        if not self._accepted % ACCEPTS:
            await asyncio.sleep(0)
        while self._transports.listener.full():  # noqa: ASYNC110  many causes, and seldom so
            await asyncio.sleep(FULL_PAUSE)

    def welcomes(self, source: SocketAddress) -> bool:
        return self._transports.listener.may_come(source)


async def _in_time(transport: Transport, endpoint: Endpoint) -> Adopted:
    async with asyncio.timeout(DIAL_SECONDS):
        return await transport.dial(endpoint, DIAL_SECONDS)


def _cannot_listen(endpoint: Endpoint, error: OSError) -> HostError | MissingPrivilege:
    if error.errno == errno.EADDRINUSE:
        return HostError(
            f"{endpoint}: port {endpoint.port} is in use",
            hint=f"find who has it with `ss -lpn 'sport = :{endpoint.port}'`, or choose another port in server.listen",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return HostError(
            f"{endpoint}: this host has no address {endpoint.host}",
            hint="listen at an address that `ip address` shows, at 0.0.0.0 or at [::]",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return MissingPrivilege(
            f"{endpoint}: this process may not listen there",
            hint="run it as root, grant CAP_NET_BIND_SERVICE, or use a port from 1024 on",
        )
    return HostError(f"{endpoint}: cannot listen: {_reason(error)}", hint="look at server.listen in the profile")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def _clash(one: Endpoint, other: Endpoint) -> bool:
    return one.scheme == other.scheme and one.port == other.port
