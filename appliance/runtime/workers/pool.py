"""The workers of a node as one: what is told goes to the worker that it is for, and the others hear who has what.

Sessions are spread by peer. A link lives in one worker, and so does each session, where its link is; a listener's socket is read
by the first worker, and the others have it too to answer over it until a session has a socket of its own. With one worker this
passes everything on and tells nobody anything.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from appliance.api.monitoring import ClassFigures
from appliance.runtime.workers.counters import SessionCounters
from appliance.runtime.workers.process import WorkerProcess
from appliance.runtime.workers.telling import PeerLine, SessionKeys
from appliance.worker import pairs

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress
    from appliance.api.values import Network

READER = 0
"""The worker that reads listeners' sockets."""


class Home(NamedTuple):
    """Where a session lives, whose it is and by which way its records go."""

    worker: int
    peer: str
    link: int
    to: SocketAddress | None


class Knowledge(Protocol):
    """What the node knows that a new worker does not."""

    def introduce(self, worker: WorkerProcess) -> None:
        """Tell it everything but where packets go."""

    def begin(self, worker: WorkerProcess) -> None:
        """Tell it where packets go; with that it begins to read them."""


class WorkerPool:
    """The workers of a node, some of which may be missing. A call about what no worker has does nothing. It knows which worker
    has each link and session. What the node's tables say passes through, and a new worker gets it from `knowledge`."""

    def __init__(self, number: int, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._begun = False
        self._members: list[WorkerProcess | None] = [None] * number
        self._links: dict[int, int] = {}
        """The worker of each link that only one has."""
        self._shared: dict[int, set[int]] = {}
        """The workers that have each listener's socket."""
        self._sessions: dict[int, Home] = {}
        self._at: dict[SocketAddress, int] = {}
        """The newest session that goes to each far end over a listener."""
        self._used: dict[str, int] = {}
        """The session that each peer's packets go out by."""
        self._load = [0] * number
        """Links and sessions over listeners of each worker."""
        self._last = number - 1

    # ---- members ----

    def __len__(self) -> int:
        return len(self._members)

    @property
    def living(self) -> tuple[WorkerProcess, ...]:
        """The workers there are."""
        return tuple(member for member in self._members if member is not None)

    @property
    def pids(self) -> tuple[int, ...]:
        """Their process numbers."""
        return tuple(member.pid for member in self.living)

    def put(self, number: int, worker: WorkerProcess) -> None:
        """A worker is there, and knows nothing yet: tell it what the others know."""
        for other, member in self._others(number):
            ours, theirs = pairs.pair()
            with ours, theirs:
                member.join(number, ours)
                worker.join(other, theirs)
        self._members[number] = worker
        self._knowledge.introduce(worker)
        for session, home in self._sessions.items():
            worker.session_elsewhere(session, home.worker)
        for peer, session in self._used.items():
            worker.peer_elsewhere(peer, self._sessions[session].worker)
        if self._begun:
            self._knowledge.begin(worker)

    def begin(self) -> None:
        """All are there: let them read packets, and from now on each new one at once."""
        self._begun = True
        for member in self.living:
            self._knowledge.begin(member)

    def lose(self, number: int) -> WorkerProcess | None:
        """A worker has died: forget what it had."""
        dead, self._members[number] = self._members[number], None
        self._links = {link: home for link, home in self._links.items() if home != number}
        for holders in self._shared.values():
            holders.discard(number)
        for session in [session for session, home in self._sessions.items() if home.worker == number]:
            self._forget(session)
        self._load[number] = 0
        return dead

    @property
    def complete_links(self) -> Container[int]:
        """The links that every worker has which should."""
        everybody = {number for number, member in enumerate(self._members) if member is not None}
        return {*self._links, *(link for link, holders in self._shared.items() if holders >= everybody)}

    @property
    def sessions(self) -> Container[int]:
        """The sessions that a living worker has."""
        return self._sessions

    def _others(self, number: int) -> list[tuple[int, WorkerProcess]]:
        return [(other, member) for other, member in enumerate(self._members) if member is not None and other != number]

    def use_tun(self, descriptors: Sequence[int], *, device: bool) -> None:
        """As WorkerProcess.use_tun, one descriptor for each."""
        for member, descriptor in zip(self._members, descriptors, strict=True):
            if member is not None:
                member.use_tun(descriptor, device=device)

    # ---- links ----

    def add_link(
        self,
        link: int,
        sock: socket.socket,
        driver: str,
        options: Mapping[str, int | str],
        *,
        listener: bool,
        remote: SocketAddress | None,
    ) -> None:
        """Give a socket to a worker: a listener's to all, one to the far end of a session that uses a listener to the worker that
        has the session, any other to the one with the least to do. The caller may close its own copy when this returns."""
        if listener:
            holders = self._shared.setdefault(link, set())
            for number, member in enumerate(self._members):
                if member is not None and number not in holders:
                    member.add_link(link, sock, driver, options, deaf=number != READER)
                    holders.add(number)
            return
        home = None if remote is None else self._home_at(remote)
        home = self._idlest() if home is None else home
        if home is not None and (only := self._members[home]) is not None:
            self._links[link] = home
            self._load[home] += 1
            only.add_link(link, sock, driver, options, remote=remote)

    def drop_link(self, link: int) -> None:
        """Close a link."""
        for member in self._holders(link):
            member.drop_link(link)
        self.link_closed(link)

    def link_closed(self, link: int) -> None:
        """A worker has closed a link."""
        home = self._links.pop(link, None)
        if home is not None:
            self._load[home] -= 1
        self._shared.pop(link, None)

    def protect_link(self, link: int, span: int) -> None:
        """As WorkerProcess.protect_link."""
        for member in self._holders(link):
            member.protect_link(link, span)

    def shape_link(self, link: int, datagram: int) -> None:
        """As WorkerProcess.shape_link."""
        for member in self._holders(link):
            member.shape_link(link, datagram)

    def try_offload(self, link: int) -> None:
        """As WorkerProcess.try_offload."""
        for member in self._holders(link):
            member.try_offload(link)

    def send_packet(self, link: int, to: SocketAddress | None, packet: bytes) -> None:
        """Send one handshake packet; over a listener from the worker that reads it, which knows where the far end called."""
        for member in self._holders(link)[:1]:
            member.send_packet(link, to, packet)

    def local_of(self, link: int, source: SocketAddress) -> str | None:
        """As WorkerProcess.local_of; the workers share what they know."""
        return next((member.local_of(link, source) for member in self.living), None)

    def _holders(self, link: int) -> list[WorkerProcess]:
        numbers = sorted(self._shared[link]) if link in self._shared else [self._links[link]] if link in self._links else []
        return [member for number in numbers if (member := self._members[number]) is not None]

    def _home_at(self, remote: SocketAddress) -> int | None:
        """The worker of a session that goes to `remote` over a listener."""
        home = self._sessions.get(self._at.get(remote, -1))
        return None if home is None else home.worker

    def _idlest(self) -> int | None:
        """The worker with the fewest links and sessions over listeners; equals take turns."""
        load = self._load
        living = [each for each, member in enumerate(self._members) if member is not None]
        if not living:
            return None
        self._last = min(living, key=lambda each: (load[each], (each - self._last - 1) % len(self._members)))
        return self._last

    # ---- strangers ----

    def set_cookies(self, secret: bytes, handshakes_per_second: int) -> None:
        """As WorkerProcess.set_cookies."""
        for member in self.living:
            member.set_cookies(secret, handshakes_per_second)

    def want_cookies(self, wanted: bool) -> None:
        """As WorkerProcess.want_cookies."""
        for member in self.living:
            member.want_cookies(wanted)

    # ---- sessions ----

    def add_session(self, keys: SessionKeys, *, link: int, to: SocketAddress | None, rotate_bytes: int, use: bool = True) -> None:
        """Install a session where its link is; one over a listener where its peer's others are, or nearly nothing is. Raises
        HostError when there is no room for it."""
        number = self._links.get(link)
        if number is None and link in self._shared:
            current = self._sessions.get(self._used.get(keys.peer, -1))
            number = self._idlest() if current is None else current.worker
        if number is None or (member := self._members[number]) is None:
            return
        member.add_session(keys, link=link, to=to, rotate_bytes=rotate_bytes, use=use)
        self._settle(keys.session, Home(number, keys.peer, link, to))
        for _, other in self._others(number):
            other.session_elsewhere(keys.session, number)
        if use:
            self._use(keys.session)

    def move_session(self, session: int, *, link: int, to: SocketAddress | None, use: bool = True) -> None:
        """Send a session's records by another path, where its worker has that."""
        home = self._sessions.get(session)
        member = None if home is None else self._members[home.worker]
        if home is None or member is None:
            return
        if self._links.get(link, home.worker) == home.worker:
            home = self._settle(session, home._replace(link=link, to=to))
        member.move_session(session, link=home.link, to=home.to, use=use)
        if use:
            self._use(session)

    def compress_session(self, session: int) -> None:
        """As WorkerProcess.compress_session."""
        for member in self._having(session):
            member.compress_session(session)

    def stop_sending(self, session: int) -> None:
        """As WorkerProcess.stop_sending."""
        for member in self._having(session):
            member.stop_sending(session)

    def drop_session(self, session: int) -> None:
        """As WorkerProcess.drop_session."""
        for member in self._having(session):
            member.drop_session(session)
        self._forget(session)

    def send_message(self, session: int, kind: int, channel_number: int, body: bytes) -> None:
        """As WorkerProcess.send_message."""
        for member in self._having(session):
            member.send_message(session, kind, channel_number, body)

    def send_probe(self, session: int, kind: int, datagram: int, body: bytes) -> None:
        """As WorkerProcess.send_probe."""
        for member in self._having(session):
            member.send_probe(session, kind, datagram, body)

    def keep_locals(self, addresses: Collection[str]) -> None:
        """As WorkerProcess.keep_locals; what far ends spoke to is known to all workers."""
        for member in self.living:
            member.keep_locals(addresses)

    def send_challenge(self, session: int, kind: int, link: int, to: SocketAddress | None, body: bytes) -> None:
        """As WorkerProcess.send_challenge, by a link that the session's worker has."""
        for member in self._having(session):
            member.send_challenge(session, kind, link, to, body)

    def _having(self, session: int) -> list[WorkerProcess]:
        home = self._sessions.get(session)
        member = None if home is None else self._members[home.worker]
        return [] if member is None else [member]

    def _settle(self, session: int, home: Home) -> Home:
        before = self._sessions.get(session)
        if before is not None:
            self._leave(session, before)
        if home.to is not None:
            self._at[home.to] = session
            self._load[home.worker] += 1
        self._sessions[session] = home
        return home

    def _use(self, session: int) -> None:
        home = self._sessions[session]
        if self._used.get(home.peer) != session:
            self._used[home.peer] = session
            for _, other in self._others(home.worker):
                other.peer_elsewhere(home.peer, home.worker)

    def _forget(self, session: int) -> None:
        home = self._sessions.pop(session, None)
        if home is None:
            return
        self._leave(session, home)
        others = self._others(home.worker)
        for _, other in others:
            other.session_elsewhere(session, None)
        if self._used.get(home.peer) == session:
            del self._used[home.peer]
            for _, other in others:
                other.peer_elsewhere(home.peer, None)

    def _leave(self, session: int, home: Home) -> None:
        """A session no longer uses the link that it used."""
        if home.to is not None:
            self._load[home.worker] -= 1
            if self._at.get(home.to) == session:
                del self._at[home.to]

    # ---- tables ----

    def put_peers(self, peers: Iterable[PeerLine]) -> None:
        """As WorkerProcess.put_peers."""
        lines = list(peers)
        for member in self.living:
            member.put_peers(lines)

    def renew_peers(self, names: Sequence[str]) -> None:
        """As WorkerProcess.renew_peers."""
        for member in self.living:
            member.renew_peers(names)

    def give_up_waiting(self, names: Sequence[str]) -> None:
        """As WorkerProcess.give_up_waiting."""
        for member in self.living:
            member.give_up_waiting(names)

    def drop_peers(self, names: Sequence[str]) -> None:
        """As WorkerProcess.drop_peers."""
        for member in self.living:
            member.drop_peers(names)

    def change_routes(self, put: Iterable[tuple[Network, str]], gone: Iterable[Network] = ()) -> None:
        """As WorkerProcess.change_routes."""
        routes, prefixes = list(put), list(gone)
        for member in self.living:
            member.change_routes(routes, prefixes)

    def set_overlay(self, own: Sequence[str], *, hub: bool) -> None:
        """As WorkerProcess.set_overlay."""
        for member in self.living:
            member.set_overlay(own, hub=hub)

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """As WorkerProcess.set_addresses."""
        for member in self.living:
            member.set_addresses(addresses)

    def set_qos(self, settings: Mapping[str, Any] | None) -> None:
        """As WorkerProcess.set_qos. A peer's packets leave by one worker, so its rate is the same for each."""
        for member in self.living:
            member.set_qos(settings)

    # ---- figures ----

    def session_counters(self, session: int) -> SessionCounters | None:
        """As WorkerProcess.session_counters."""
        return next((member.session_counters(session) for member in self._having(session)), None)

    def records(self, session: int) -> tuple[int, int]:
        """As WorkerProcess.records."""
        return next((member.records(session) for member in self._having(session)), (0, 0))

    def packets(self, session: int) -> tuple[int, int]:
        """As WorkerProcess.packets."""
        return next((member.packets(session) for member in self._having(session)), (0, 0))

    def drops(self) -> Counter[str]:
        """Packets dropped by the living, by reason."""
        found: Counter[str] = Counter()
        for member in self.living:
            found.update(member.drops())
        return found

    def classes(self) -> dict[str, ClassFigures]:
        """Traffic classes by name, over all the living; nothing where traffic is not scheduled."""
        found: dict[str, ClassFigures] = {}
        for member in self.living:
            for name, figures in member.classes().items():
                found[name] = together(found.get(name), figures)
        return found


def together(earlier: ClassFigures | None, figures: ClassFigures) -> ClassFigures:
    """The sum of a class's figures."""
    return figures if earlier is None else ClassFigures(*map(sum, zip(earlier, figures, strict=True)))
