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
from appliance.api.peer_protocol import NotConnected, PeerProtocolError, PeerProtocolKind, PeerProtocolServices, Refused
from appliance.api.profile import Profile
from appliance.api.values import Endpoint, is_address
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.members.enrolment import FAMILY, About, EnrolmentFailed, Joiner
from appliance.members.proof import Bound
from appliance.plugin_host import PluginHost
from appliance.protocol.events import StrangerEvent, StrangerGone
from appliance.runtime import settings
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.workers.packet_device import packet_pair

if TYPE_CHECKING:
    from appliance.members.code import Code
    from appliance.protocol.identity import Identity

REACH_SECONDS: Final = 2.2
"""How long the member is called, for each endpoint (`connecting.ATTEMPT_SECONDS_OF_SEVERAL`)."""
MOST_REACH_SECONDS: Final = 12.0
"""At all of them."""
ANSWER_SECONDS: Final = 4.0
"""How long each answer may take: its session has five."""
NOBODYS_ADDRESS: Final = "192.0.2.1/32"
"""A profile wants an address (RFC 5737); no packet ever has this one."""


class NotReached(ApplianceError):
    """The member could not be called."""


class Told(NamedTuple):
    """What a newcomer brings home; nothing of it is verified but by the code's secret."""

    about: About
    proof: bytes
    """Of its certificate: the issuer's, if there is one, and its own."""


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
    endpoints = await _literals(code.inviter.endpoints)
    if not endpoints:
        raise NotReached("the code says nowhere to call", hint="ask for a code that does: appliance network invite --at ENDPOINT")
    node = NodeRuntime(_profile(), PluginHost.load(STANDARD_PLUGINS), identity)
    device, application = packet_pair()
    try:
        await node.start([device])
        call = _Call(node, code, identity, agree)
        return await call.make(endpoints, progress)
    finally:
        await node.stop()
        device.close()
        application.close()


class _Call:
    """The call, over a node that has started."""

    def __init__(self, node: NodeRuntime, code: Code, identity: Identity, agree: Callable[[About], object]) -> None:
        self._node = node
        self._agree = agree
        self._code = code
        self._identity = identity
        self._services: PeerProtocolServices | None = None
        self._reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def make(self, endpoints: Sequence[Endpoint], progress: Callable[[str], None]) -> Told:
        driver, inviter = self._node.driver, self._code.inviter.identity
        spoken = PeerProtocols({FAMILY: PeerProtocolKind(FAMILY, None, self._open, before_membership=True)}, driver)
        driver.control_listener, driver.strangers.listener = spoken.hear, self._hear
        driver.update(replace(settings.node_settings(self._node.profile), probation=1), driver.rotate_bytes)
        await spoken.use({FAMILY: {}})
        try:
            within = min(MOST_REACH_SECONDS, REACH_SECONDS * max(2, len(endpoints)))
            progress(f"calling {', '.join(map(str, endpoints))}")
            driver.node.call_stranger(inviter, endpoints, within, clock.monotonic())
            driver.settle()
            await self._reached
            return await self._speak(inviter, progress)
        finally:
            await spoken.close()

    async def _speak(self, inviter: str, progress: Callable[[str], None]) -> Told:
        told = self._node.driver.node.control.exporter(inviter)
        if told is None or self._services is None:
            raise NotReached("the session ended before anything was said", hint="try again")
        joiner = Joiner(self._code, self._identity.public, Bound(told.session, told.secret, self._identity.fingerprint, inviter))
        progress("reached; proving that this host has the code")
        about = joiner.take_network(await self._ask(*joiner.ask_network()))
        self._agree(about)
        progress(f"the network is {about.label}; asking for a certificate")
        answer = await self._ask(*joiner.ask_certificate())
        return Told(about, answer.body)

    async def _ask(self, kind: str, content: Mapping[str, Any], body: bytes) -> Any:
        assert self._services is not None
        try:
            return await self._services.ask(self._code.inviter.identity, kind, content, body, within=ANSWER_SECONDS)
        except Refused:
            raise EnrolmentFailed(
                "the inviting node does not take this code: it was used, is too old, was taken back, or has a mistake",
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
        if isinstance(event, StrangerGone) and not self._reached.done():
            self._reached.set_exception(
                NotReached(
                    f"the inviting node was not reached: {event.reason or 'nobody answers'}",
                    hint="does it run, and can this host reach it at the address that the code says?",
                )
            )

    def on_connected(self, _peer: str) -> None:
        """The member is there."""
        if not self._reached.done():
            self._reached.set_result(None)

    def on_gone(self, _peer: str) -> None:
        """What waits for an answer hears of it by itself."""

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """A member says nothing unasked."""

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """Nobody enrols with a newcomer."""


async def _literals(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
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
    return list(dict.fromkeys(found))


def _profile() -> Profile:
    return Profile.model_validate({"profile": 1, "name": "newcomer", "network": {"addresses": [NOBODYS_ADDRESS], "workers": 1}})
