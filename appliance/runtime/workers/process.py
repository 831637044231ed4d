"""The control process's end of the worker: starting it, telling it, hearing it, and noticing its death.

Calls only queue: a message that the socket does not take now is sent when it does, in order. What the worker says arrives through
`WorkerListener`, on the event loop.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from appliance.errors import HostError
from appliance.foundation import interpreter
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.readable import readable
from appliance.linux import priority
from appliance.runtime.workers.counters import SharedCounters
from appliance.worker import channel

if TYPE_CHECKING:
    from appliance.api.crypto import CryptoSuite
    from appliance.api.transport import SocketAddress
    from appliance.api.values import Network

log = get_logger("worker")

START_SECONDS: Final = 30.0
"""How long a worker may take to say that it is ready: a fifth of a second on an idle machine, and more than 10 on an emulated one
with others beside it."""
LAST_WORDS: Final = signal.SIGUSR1
LAST_WORDS_SECONDS: Final = 0.2
"""Between asking a worker where it is and ending it. Writing that takes a millisecond; one that is stopped does not answer."""
MAX_STACK: Final = 16384
MOST_LOCALS: Final = 4096
"""Far ends of whom is kept which of our addresses they spoke to: it is needed from a handshake's first packet to its last."""
SLICE: Final = 500
"""Table entries a message, so that it stays below channel.MAX_MESSAGE."""


Spoken = dict[tuple[int, "SocketAddress | None"], str]
"""Which of this host's addresses the far end of a link, or at an address behind a listener, spoke to."""


class WorkerListener(Protocol):
    """Who hears what the worker says. Called on the event loop; must not raise."""

    def on_packet(self, link: int, source: SocketAddress | None, packet: bytes) -> None:
        """A handshake packet came in."""

    def on_message(self, session: int, kind: int, channel: int, body: bytes) -> None:
        """A record other than IP was opened."""

    def on_want(self, peer: str) -> None:
        """Traffic waits for a peer without a session."""

    def on_moved(self, session: int, link: int, source: SocketAddress | None) -> None:
        """The newest authentic record of a session came by another path."""

    def on_stalled(self, session: int) -> None:
        """The peer is epochs ahead: only a new handshake helps."""

    def on_loss(self, link: int, lost: float) -> None:
        """This share (0 to 1) of a link's datagrams did not arrive lately."""

    def on_link_closed(self, link: int) -> None:
        """A link ended; its number is free."""

    def on_link_limited(self, link: int, datagram: int) -> None:
        """The kernel refuses datagrams longer than that on a link, whose driver keeps to it now."""

    def on_link_offload(self, link: int, problem: str) -> None:
        """The kernel does not cut datagrams on a link, for that errno; "": it does again."""

    def on_raised(self, place: str, times: int) -> None:
        """By a mistake of ours the worker could not do something, and went on: what and where, how often since the last word."""

    def on_fault(self, path: str, place: str, times: int) -> None:
        """The code at an import path, a driver's or a cipher's, raised in the worker, for the so-manieth time."""

    def on_last_words(self, stack: str, *, hung: bool) -> None:
        """Where a worker was (as `faulthandler` writes it) when it was ended for not answering, or when it crashed."""

    def on_misheard(self, error: Exception) -> None:
        """Doing what the worker said raised."""

    def on_tun_lost(self, number: int) -> None:
        """The TUN cannot be read any more, for that errno (0: it gives nothing)."""

    def on_exit(self, code: int) -> None:
        """The worker died (not by `stop`)."""


class SessionKeys(NamedTuple):
    """What a finished handshake hands to the data plane. The chains are secret and go nowhere else. `compression`: what comes in
    may be compressed."""

    session: int
    remote: int
    peer: str
    suite: str
    send_chain: bytes
    receive_chain: bytes
    compression: bool = False


class WorkerProcess:
    """One worker. `slots` bounds the sessions whose counters it can keep, replaced ones in their last seconds included; `spoken`
    is what is known of which of our addresses far ends spoke to, shared by the workers of a node."""

    def __init__(self, listener: WorkerListener, slots: int, spoken: Spoken | None = None) -> None:
        self._listener = listener
        self._shared = shared = SharedCounters(slots)
        self.session_counters, self.records, self.packets = shared.session, shared.records, shared.packets
        self.drops, self.classes, self.beat = shared.drops, shared.classes, shared.beat
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._queue: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._pidfd = -1
        self._last_words = os.memfd_create("appliance-last-words")
        self._ending = False
        self.broken: Mapping[str, str] = {}
        """Import paths that the worker could not load, with the reasons."""
        self._started = False
        self._stopping = False
        self._peers: dict[str, tuple[str, ...]] = {}
        self._locals: Spoken = {} if spoken is None else spoken

    @property
    def pid(self) -> int:
        """The worker's process number; 0 before `start`."""
        return self._process.pid if self._process else 0

    def spawn(self) -> None:
        """Start the process already, so that its imports are done when there is a TUN to give it. `start` does so otherwise."""
        if self._process is not None:
            return
        ours, theirs = channel.pair()
        with theirs:
            self._process = subprocess.Popen(
                interpreter.command("appliance.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(0)
        self._control = ours

    async def start(
        self, tun: int, *, vnet: bool, suites: Iterable[CryptoSuite], drivers: Iterable[str], compression: bool = False
    ) -> None:
        """Start the worker on the TUN's descriptor (which stays the caller's). `compression`: it is to be able to.

        Raises HostError when the worker does not come up. What it could not import is in `broken` afterwards.
        """
        self.spawn()
        assert self._control is not None
        assert self._process is not None
        ours, self._started = self._control, True
        described = {
            suite.name: {
                "aead": suite.aead,
                "key_bytes": suite.key_bytes,
                "tag_bytes": suite.tag_bytes,
                "max_records": suite.max_records,
            }
            for suite in suites
        }
        start = {"vnet": vnet, "suites": described, "drivers": sorted(drivers), "compression": compression}
        self._tell("start", start, descriptors=(tun, self._shared.descriptor, self._last_words))
        await self._ready(ours)
        loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._died)
        loop.add_reader(ours.fileno(), self._heard)

    async def _ready(self, ours: socket.socket) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await readable(ours.fileno())
                message, _ = channel.receive(ours)
        except TimeoutError:
            message = b""
        kind, fields, _ = channel.decode(message) if message else ("gone", {}, b"")
        if kind == "ready":
            self.broken = fields["broken"]
            if not fields["filtered"] and once_per(math.inf, "no seccomp"):
                log.warning("this kernel does not limit the worker's system calls (seccomp): one protection less")
            return
        self._end_process()
        if kind == "failed":
            raise HostError(f"the worker cannot compress: {fields['error']}", hint="take compression out of the profile")
        raise HostError(
            "the data-plane process did not come up", hint="its last words are in the log above; run: appliance doctor"
        )

    async def stop(self) -> None:
        """End the worker in order; kill it when it does not go within two seconds. Safe to call twice."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        if not self._started:
            self._end_process()
            return
        self._tell("stop", {})
        self._forget_readers()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 2.0)
        self._end_process()

    def _end_process(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        if self._control is not None:
            self._control.close()
            self._control = None
        self._queue.clear()

    def _forget_readers(self) -> None:
        loop = asyncio.get_running_loop()
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._control is not None:
            loop.remove_reader(self._control.fileno())
            loop.remove_writer(self._control.fileno())

    # ---- telling ----

    def add_link(
        self,
        link: int,
        sock: socket.socket,
        driver: str,
        options: Mapping[str, int | str],
        *,
        deaf: bool = False,
        remote: SocketAddress | None = None,
    ) -> None:
        """Give the worker a socket; `deaf`: another worker reads it, `remote`: its one far end. The caller may close its own copy
        when this returns."""
        fields = {"link": link, "driver": driver, "options": dict(options), "deaf": deaf, "remote": remote}
        self._tell("link.add", fields, descriptors=(os.dup(sock.fileno()),), owned=True)

    def join(self, worker: int, end: socket.socket) -> None:
        """Give the worker a socket to another one. The caller may close its own copy when this returns."""
        self._tell("mesh", {"worker": worker}, descriptors=(os.dup(end.fileno()),), owned=True)

    def use_tun(self, tun: int, *, device: bool) -> None:
        """Give the worker another TUN's descriptor, which stays the caller's; not a `device`: one that gives nothing."""
        self._tell("tun", {"device": device}, descriptors=(os.dup(tun),), owned=True)

    def session_elsewhere(self, session: int, worker: int | None) -> None:
        """That worker has the session; None: nobody has it any more."""
        self._tell("session.elsewhere", {"session": session, "worker": worker})

    def peer_elsewhere(self, peer: str, worker: int | None) -> None:
        """What goes to the peer goes by a session of that worker; None: of no other."""
        self._tell("peer.elsewhere", {"peer": peer, "worker": worker})

    def drop_link(self, link: int) -> None:
        """Close a link."""
        self._tell("link.drop", {"link": link})

    def protect_link(self, link: int, span: int) -> None:
        """Send one parity piece for every `span` pieces of a cut record over a link; 0: none."""
        self._tell("link.protect", {"link": link, "span": span})

    def shape_link(self, link: int, datagram: int) -> None:
        """Cut what goes over a datagram link into datagrams of so many bytes."""
        self._tell("link.shape", {"link": link, "datagram": datagram})

    def try_offload(self, link: int) -> None:
        """Ask the kernel again to cut what goes over a link."""
        self._tell("link.offload", {"link": link})

    def set_cookies(self, secret: bytes, handshakes_per_second: int) -> None:
        """Judge hellos by cookies made with that secret, and let pass what belongs to so many handshakes."""
        self._tell("cookies", {"secret": secret.hex(), "handshakes_per_second": handshakes_per_second})

    def want_cookies(self, wanted: bool) -> None:
        """Let no hello pass without a cookie; False: unless there are many."""
        self._tell("cookies.wanted", {"wanted": wanted})

    def add_session(self, keys: SessionKeys, *, link: int, to: SocketAddress | None, rotate_bytes: int, use: bool = True) -> None:
        """Install a session. `use`: send to the peer by it from now on; otherwise only receive."""
        slot = self._shared.take(keys.session)
        fields = {
            "session": keys.session,
            "remote": keys.remote,
            "peer": keys.peer,
            "suite": keys.suite,
            "slot": slot,
            "compression": keys.compression,
            "rotate_bytes": rotate_bytes,
            "link": link,
            "to": to,
            "local": self._local(link, to),
            "use": use,
        }
        self._tell("session.add", fields, keys.send_chain + keys.receive_chain)  # raw: as text there would be three more of each

    def move_session(self, session: int, *, link: int, to: SocketAddress | None, use: bool = True) -> None:
        """Send a session's records by another path."""
        fields = {"session": session, "link": link, "to": to, "local": self._local(link, to), "use": use}
        self._tell("session.move", fields)

    def compress_session(self, session: int) -> None:
        """Compress what a session sends from now on."""
        self._tell("session.compress", {"session": session})

    def stop_sending(self, session: int) -> None:
        """Only receive on a session from now on: another took its place."""
        self._tell("session.drop", {"session": session, "linger": True})

    def drop_session(self, session: int) -> None:
        """Forget a session and its keys."""
        self._tell("session.drop", {"session": session, "linger": False})
        self._shared.give_back(session)

    def set_peers(self, peers: Mapping[str, Iterable[Network]]) -> None:
        """Tell the worker all peers with their allowed prefixes; only differences travel."""
        wanted = {name: tuple(str(prefix) for prefix in prefixes) for name, prefixes in peers.items()}
        gone = [name for name in self._peers if name not in wanted]
        changed = [(name, prefixes) for name, prefixes in wanted.items() if self._peers.get(name) != prefixes]
        self._peers = wanted
        for names in _slices(gone):
            self._tell("peers", {"gone": names, "peers": []})
        for pairs in _slices(changed):
            self._tell("peers", {"gone": [], "peers": pairs})

    def set_routes(self, routes: Iterable[tuple[Network, str]], *, hub: bool, own: Iterable[str] = ()) -> None:
        """Replace the forwarding table. `hub`: pass packets from one peer on to another. `own`: this node's addresses inside the
        overlay, with prefix lengths."""
        addresses = list(own)
        slices = list(_slices([(str(prefix), peer) for prefix, peer in routes])) or [[]]
        for number, part in enumerate(slices, 1):
            self._tell("routes", {"routes": part, "last": number == len(slices), "hub": hub, "own": addresses})

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """Replace what the worker knows of this host's addresses, those inside the overlay and all others."""
        slices = list(_slices(addresses)) or [[]]
        for number, part in enumerate(slices, 1):
            self._tell("addresses", {"addresses": part, "last": number == len(slices)})

    def set_qos(self, settings: Mapping[str, Any] | None, rates: Iterable[tuple[str, int]]) -> None:
        """Schedule traffic by classes, None: no longer. `rates`: bytes a second that may be sent to some peers.

        What is urgent on the wire is urgent on the host: the worker goes before other processes while there are classes.
        """
        priority.prefer(self.pid, priority.ORDINARY if settings is None else priority.URGENT)
        self._tell("qos", {"settings": settings})
        for part in _slices(list(rates)):
            self._tell("rates", {"rates": part})

    def ask(self, number: int) -> None:
        """Ask whether the worker still turns; it answers by making `number` its `beat`."""
        self._tell("beat", {"number": number})

    def kill(self) -> None:
        """End a worker that does not answer, once it has said where it is; its death is heard as any other."""
        if self._process is not None and not self._ending:
            self._ending = True
            self._process.send_signal(LAST_WORDS)
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._kill_now)

    def _kill_now(self) -> None:
        if self._process is not None:
            self._process.kill()

    def send_message(self, session: int, kind: int, channel_number: int, body: bytes) -> None:
        """Send one record of another kind than IP on a session."""
        self._tell("message", {"session": session, "type": int(kind), "channel": channel_number}, body)

    def send_probe(self, session: int, kind: int, datagram: int, body: bytes) -> None:
        """Send a record whose body is padded so that it is one datagram of so many bytes."""
        self._tell("probe", {"session": session, "type": int(kind), "datagram": datagram}, body)

    def send_challenge(self, session: int, kind: int, link: int, to: SocketAddress | None, body: bytes) -> None:
        """Send one record of a session by another path than its own."""
        path = {"link": link, "to": to, "local": self._local(link, to)}
        self._tell("challenge", {"session": session, "type": int(kind), **path}, body)

    def send_packet(self, link: int, to: SocketAddress | None, packet: bytes) -> None:
        """Send one handshake packet."""
        self._tell("packet", {"link": link, "to": to, "local": self._local(link, to)}, packet)

    def local_of(self, link: int, source: SocketAddress) -> str | None:
        """Which of this host's addresses the far end at `source` spoke to, where that is known and `link` has several."""
        return self._locals.get((link, source))

    def _local(self, link: int, to: SocketAddress | None) -> str | None:
        return None if to is None else self.local_of(link, to)

    def _tell(
        self,
        kind: str,
        fields: Mapping[str, Any],
        payload: bytes = b"",
        descriptors: tuple[int, ...] = (),
        *,
        owned: bool = False,
    ) -> None:
        message = channel.encode(kind, fields, payload)
        if self._control is None:
            _close_all(descriptors if owned else ())
            return
        if self._queue:
            self._queue.append((message, descriptors if owned else ()))
            return
        try:
            channel.send(self._control, message, descriptors)
        except BlockingIOError:
            self._queue.append((message, descriptors if owned else ()))
            asyncio.get_running_loop().add_writer(self._control.fileno(), self._drain)
            return
        except OSError:  # the worker is gone; `_died` says so
            pass
        _close_all(descriptors if owned else ())

    def _drain(self) -> None:
        control = self._control
        while self._queue and control is not None:
            message, descriptors = self._queue[0]
            try:
                channel.send(control, message, descriptors)
            except BlockingIOError:
                return
            except OSError:
                pass
            self._queue.popleft()
            _close_all(descriptors)
        if control is not None:
            asyncio.get_running_loop().remove_writer(control.fileno())

    # ---- hearing ----

    def _heard(self) -> None:
        for _ in range(64):
            if self._control is None:
                return
            try:
                message, _ = channel.receive(self._control)
            except OSError:
                return
            if not message:
                asyncio.get_running_loop().remove_reader(self._control.fileno())
                return
            try:
                self._dispatch(*channel.decode(message))
            except Exception as error:  # noqa: BLE001  the worker is the one that strangers speak to
                self._listener.on_misheard(error)

    def _dispatch(self, kind: str, fields: dict[str, Any], payload: bytes) -> None:
        listener = self._listener
        if kind in ("packet", "moved") and fields["local"] is not None:
            self._spoken_to(fields["link"], _address(fields["source"]), fields["local"])
        if kind == "packet":
            listener.on_packet(fields["link"], _address(fields["source"]), payload)
        elif kind == "message":
            listener.on_message(fields["session"], fields["type"], fields["channel"], payload)
        elif kind == "want":
            listener.on_want(fields["peer"])
        elif kind == "moved":
            listener.on_moved(fields["session"], fields["link"], _address(fields["source"]))
        elif kind == "stalled":
            listener.on_stalled(fields["session"])
        elif kind == "loss":
            listener.on_loss(fields["link"], fields["lost"])
        else:
            self._dispatch_seldom(kind, fields)

    def _dispatch_seldom(self, kind: str, fields: dict[str, Any]) -> None:
        listener = self._listener
        if kind == "link.closed":
            listener.on_link_closed(fields["link"])
        elif kind == "link.limited":
            listener.on_link_limited(fields["link"], fields["datagram"])
        elif kind == "tun.lost":
            listener.on_tun_lost(fields["errno"])
        elif kind == "link.offload":
            listener.on_link_offload(fields["link"], fields["problem"])
        elif kind == "fault":
            listener.on_fault(fields["path"], fields["place"], fields["times"])
        elif kind == "raised":
            listener.on_raised(fields["place"], fields["times"])

    def _spoken_to(self, link: int, source: SocketAddress | None, local: str) -> None:
        if self._locals.get((link, source)) != local:
            if len(self._locals) >= MOST_LOCALS:
                del self._locals[next(iter(self._locals))]
            self._locals[link, source] = local

    def _died(self) -> None:
        self._forget_readers()
        process = self._process
        code = process.wait() if process is not None else 0
        self._end_process()
        stack = os.pread(self._last_words, MAX_STACK, 0).decode(errors="replace")
        if stack and not self._stopping:
            self._listener.on_last_words(stack, hung=self._ending)
        if not self._stopping:
            self._listener.on_exit(code)

    def close(self) -> None:
        """Free the shared memory, once the worker has stopped."""
        if self._last_words >= 0:
            os.close(self._last_words)
            self._last_words = -1
        self._shared.close()


def _slices(entries: Sequence[Any]) -> Iterable[list[Any]]:
    rest = iter(entries)
    while part := list(islice(rest, SLICE)):
        yield part


def _address(value: list[Any] | None) -> SocketAddress | None:
    return (str(value[0]), int(value[1])) if value else None


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
