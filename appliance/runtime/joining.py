"""A newcomer's one call: a node without a host that calls the member which made a code, proves that it has the code, and brings
home what it is told. It runs for seconds, in the process of the command, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.api import STANDARD_PLUGINS
from appliance.api.peer_protocol import Answer, NotConnected, PeerProtocolError, PeerProtocolKind, PeerProtocolServices, Refused
from appliance.api.profile import Profile
from appliance.api.values import HOST_AND_PORT, Endpoint, is_address
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock, entropy
from appliance.members.enrolment import FAMILY, FORWARD, About, EnrolmentFailed, Joiner
from appliance.members.proof import SESSION_BYTES, Bound
from appliance.plugin_host import PluginHost
from appliance.protocol.events import StrangerEvent, StrangerGone
from appliance.runtime import settings
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.workers.packet_device import packet_pair

if TYPE_CHECKING:
    from appliance.members.code import Code, Contact
    from appliance.protocol.identity import Identity

REACH_SECONDS: Final = 2.2
"""How long the member is called, for each endpoint (`connecting.ATTEMPT_SECONDS_OF_SEVERAL`)."""
MOST_REACH_SECONDS: Final = 12.0
"""At all of them."""
HEAD_START: Final = 1.0
"""How long the inviter itself is waited for once another member is there."""
ANSWER_SECONDS: Final = 4.0
"""How long each answer may take: its session has five."""
NOBODYS_ADDRESS: Final = "192.0.2.1/32"
"""A profile wants an address (RFC 5737); no packet ever has this one."""


class NotReached(ApplianceError):
    """The member could not be called. With the same code it may be later."""

    exit_code = ExitCode.RETRY
    retryable = True


class Told(NamedTuple):
    """What a newcomer brings home; nothing of it is verified but by the code's secret."""

    about: About
    proof: bytes
    """Of its certificate: the issuer's, if there is one, and its own."""
    schemes: frozenset[str] = HOST_AND_PORT
    """Of endpoints that a node as it is installed can call."""


async def ask_to_join(
    code: Code,
    identity: Identity,
    progress: Callable[[str], None],
    agree: Callable[[About], object] = lambda _about: None,
) -> Told:
    """Call the member that made `code` and be enrolled as `identity`. `progress` hears sentences for the admin. `agree` is told
    what network it is before the code is used, and may raise.

    Raises NotReached; EnrolmentFailed when the member does not take the code, or is not who it should be; HostError.
    """
    own = identity.fingerprint
    if code.inviter.identity == own:
        raise EnrolmentFailed("the code was made by a node with this host's identity", hint="join on another host")
    named = {contact.identity: contact for contact in (*code.relays, code.inviter) if contact.identity != own}
    hosts = [endpoint.host for contact in named.values() for endpoint in contact.endpoints]
    if not hosts:
        hint = "ask for a code that does: appliance network invite --at ENDPOINT"
        raise EnrolmentFailed("the code says nowhere to call", hint=hint)
    found = [contact._replace(endpoints=await _literals(contact.endpoints)) for contact in named.values()]
    contacts = [contact for contact in found if contact.endpoints]
    if not contacts:
        hint = "has this host a network and a name server by now?"
        raise NotReached(f"no address is known for {', '.join(dict.fromkeys(hosts))}", hint=hint)
    node = NodeRuntime(_profile(), PluginHost.load(STANDARD_PLUGINS), identity)
    device, application = packet_pair()
    try:
        await node.start([device])
        return await _Call(node, code, identity, agree, progress).make(contacts)
    finally:
        await node.stop()
        device.close()
        application.close()


class _Call:
    """The call, over a node that has started."""

    def __init__(
        self,
        node: NodeRuntime,
        code: Code,
        identity: Identity,
        agree: Callable[[About], object],
        progress: Callable[[str], None],
    ) -> None:
        self._node = node
        self._agree = agree
        self._progress = progress
        self._code = code
        self._identity = identity
        self._services: PeerProtocolServices | None = None
        self._reached: dict[str, asyncio.Future[None]] = {}
        """Whom we call, by fingerprint."""

    async def make(self, contacts: Sequence[Contact]) -> Told:
        driver = self._node.driver
        spoken = PeerProtocols({FAMILY: PeerProtocolKind(FAMILY, None, self._open, before_membership=True)}, driver)
        driver.control_listener, driver.strangers.listener = spoken.hear, self._hear
        driver.update(replace(settings.node_settings(self._node.profile), probation=len(contacts)), driver.rotate_bytes)
        await spoken.use({FAMILY: {}})
        try:
            for contact in contacts:
                self._call(contact)
            driver.settle()
            return await self._speak(await self._first())
        finally:
            for reached in self._reached.values():
                reached.cancel()
            await spoken.close()

    def _call(self, contact: Contact) -> None:
        within = min(MOST_REACH_SECONDS, REACH_SECONDS * max(2, len(contact.endpoints)))
        self._reached[contact.identity] = asyncio.get_running_loop().create_future()
        self._progress(f"calling {', '.join(map(str, contact.endpoints))}")
        self._node.driver.node.call_stranger(contact.identity, contact.endpoints, within, clock.monotonic())

    async def _first(self) -> str:
        """Whom we reach: the inviter if that is possible, else a member that passes on. Raises NotReached."""
        direct = self._reached.get(self._code.inviter.identity)
        waiting = set(self._reached.values())
        while waiting and not self._there():
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if direct in waiting:
            await asyncio.wait([direct], timeout=HEAD_START)
        there = self._there()
        if not there:
            await (direct or next(iter(self._reached.values())))  # says why
        return there[0]

    def _there(self) -> list[str]:
        """Whom we have reached; the inviter first."""
        there = [who for who, reached in self._reached.items() if reached.done() and reached.exception() is None]
        return sorted(there, key=lambda who: who != self._code.inviter.identity)

    async def _speak(self, reached: str) -> Told:
        inviter, own = self._code.inviter.identity, self._identity.fingerprint
        kept = self._node.driver.node.control.exporter(reached)
        if kept is None:
            raise NotReached("the session ended before anything was said", hint="try again")
        if reached == inviter:
            bound = Bound(kept.session, kept.secret, own, inviter)
        else:
            self._progress("the inviting node was not reached; another member passes on")
            bound = Bound.passed_on(entropy.random_bytes(SESSION_BYTES), reached, own, inviter)
        joiner = Joiner(self._code, self._identity.public, bound)
        self._progress("reached; proving that this host has the code")
        about = joiner.take_network(await self._ask(reached, *joiner.ask_network()))
        self._agree(about)
        self._progress(f"the network is {about.label}; asking for a certificate")
        answer = await self._ask(reached, *joiner.ask_certificate())
        return Told(about, answer.body, frozenset(self._node.plugins.transports))

    async def _ask(self, reached: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer:
        assert self._services is not None
        inviter = self._code.inviter.identity
        if reached != inviter:
            content, kind = {"to": inviter, "ask": kind, **content}, FORWARD
        try:
            return await self._services.ask(reached, kind, content, body, within=ANSWER_SECONDS)
        except Refused:
            raise EnrolmentFailed(
                "the inviting node does not take this code: it was used, is too old, was taken back, or has a mistake"
                + ("" if reached == inviter else "; or the member that passes on does not reach it"),
                hint="there, `appliance network invitations` says which; `appliance network invite` makes another",
            ) from None
        except PeerProtocolError as error:
            lost = isinstance(error, NotConnected)
            raise NotReached(
                f"the inviting node {'hung up' if lost else 'did not answer in time'}", hint="try again with the same code"
            ) from None

    # ---- joints ----

    def _open(self, _settings: Any, services: PeerProtocolServices) -> _Call:
        self._services = services
        return self

    def _hear(self, event: StrangerEvent) -> None:
        reached = self._reached.get(event.peer)
        if isinstance(event, StrangerGone) and reached is not None and not reached.done():
            reached.set_exception(
                NotReached(
                    f"the inviting node was not reached: {event.reason or 'nobody answers'}",
                    hint="does it run, and can this host reach it at the address that the code says?",
                )
            )

    def on_connected(self, peer: str) -> None:
        """A member is there."""
        reached = self._reached.get(peer)
        if reached is not None and not reached.done():
            reached.set_result(None)

    def on_gone(self, _peer: str) -> None:
        """What waits for an answer hears of it by itself."""

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """A member says nothing unasked."""

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """Nobody enrols with a newcomer."""


async def _literals(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The same with addresses for names. What is not found is left out."""
    found: list[Endpoint] = []
    for endpoint in endpoints:
        if not endpoint.host or is_address(endpoint.host):
            found.append(endpoint)
            continue
        try:
            looked_up = await asyncio.get_running_loop().getaddrinfo(endpoint.host, None, type=socket.SOCK_STREAM)
        except OSError:
            continue
        found += [endpoint._replace(host=str(address)) for *_, (address, *_rest) in looked_up]
    return tuple(dict.fromkeys(found))


def _profile() -> Profile:
    return Profile.model_validate({"profile": 1, "name": "newcomer", "network": {"addresses": [NOBODYS_ADDRESS], "workers": 1}})
