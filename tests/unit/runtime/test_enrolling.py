"""Two real nodes in one process, without a host: one invites, the other calls once, over UDP and TCP of loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.api.peer_protocol import PeerProtocolKind, PeerProtocolServices
from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.members.code import Code, Contact
from appliance.members.enrolment import FAMILY, About, EnrolmentFailed, Inviter
from appliance.members.invitation import Invitation, Terms
from appliance.members.invitations import Invitations
from appliance.plugin_host import PluginHost
from appliance.protocol.identity import Identity, PublicIdentity
from appliance.runtime import joining, settings
from appliance.runtime.joining import NotReached, Told, ask_to_join
from appliance.runtime.members.invitation_files import InvitationFiles
from appliance.runtime.members.inviting import Inviting
from appliance.runtime.members.passing_on import PassingOn
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.workers.packet_device import packet_pair
from appliance.testing.pair import identity_of

SECRET = bytes(range(16))
HOME, OWNER = identity_of("home"), identity_of("owner").public.encoded


class Member:
    """A running node that invites."""

    def __init__(self, scheme: str, state: Path, who: Identity = HOME, **peer: object) -> None:
        listen = [Endpoint(scheme, "127.0.0.1", 0)]
        network = {"addresses": ["10.8.0.1/24"], "workers": 1}
        peers = [{"name": "other", **peer}] if peer else []
        words = {"profile": 1, "name": "home", "server": {"listen": listen}, "network": network, "peers": peers}
        profile = Profile.model_validate(words)
        self.identity = who
        self.node = NodeRuntime(profile, PluginHost.load(profile.plugins), who)
        self.files = InvitationFiles(state)
        self.invitations = Invitations(self.files.keep, self.files.forget, self.files.load())
        self.signed: list[str] = []

    @property
    def here(self) -> Contact:
        return Contact(self.identity.fingerprint, tuple(self.node.transports.bound.values()))

    def invite(self) -> Code:
        now = int(clock.wall())
        self.invitations.add(Invitation.of(SECRET, Terms("laptop"), now, now + 3600), now)
        return Code(SECRET, self.here)

    async def speak(self) -> PeerProtocols:
        driver = self.node.driver
        inviter = Inviter(self.invitations, lambda: About(OWNER, "home", (self.here,)), self._issue, lambda issued: issued * 2)

        def opened(_settings: object, services: PeerProtocolServices) -> Inviting:
            passing_on = PassingOn(services, self._peer_of)
            return Inviting(inviter, driver.node.control, self.identity.fingerprint, clock.wall, passing_on)

        spoken = PeerProtocols({FAMILY: PeerProtocolKind(FAMILY, None, opened, before_membership=True)}, driver)
        driver.control_listener = spoken.hear
        driver.update(replace(settings.node_settings(self.node.profile), probation=8), driver.rotate_bytes)
        await spoken.use({FAMILY: {}})
        return spoken

    def _peer_of(self, identity: str) -> str | None:
        entry = self.node.peers.table.of_identity(identity)
        return None if entry is None else entry.name

    def _issue(self, _invitation: Invitation, identity: PublicIdentity) -> bytes:
        self.signed.append(identity.fingerprint)
        return b"certificate"


@asynccontextmanager
async def member(state: Path, scheme: str = "udp", who: Identity = HOME, **peer: object) -> AsyncIterator[Member]:
    one = Member(scheme, state, who, **peer)
    device, application = packet_pair()
    await one.node.start([device])
    spoken = await one.speak()
    try:
        yield one
    finally:
        await spoken.close()
        await one.node.stop()
        device.close()
        application.close()


async def join(code: Code, identity: Identity | None = None, progress: Callable[[str], None] = lambda _sentence: None) -> Told:
    """As an admin would on a machine that is so busy that five seconds are over: again, with the same code."""
    for _ in range(4):
        with suppress(NotReached):
            return await ask_to_join(code, identity or identity_of("laptop"), progress)
    return await ask_to_join(code, identity or identity_of("laptop"), progress)


def said(caplog: pytest.LogCaptureFixture, reason: str) -> bool:
    """Was the admin told of that reason?"""
    return any(reason in str(getattr(record, "fields", {}).get("reason")) for record in caplog.records)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_a_newcomer_calls_proves_and_is_told(tmp_path: Path, scheme: str) -> None:
    async with member(tmp_path, scheme) as home:
        told = await join(home.invite())
        assert told == Told(About(OWNER, "home", (home.here,)), b"certificatecertificate", told.schemes)
        assert told.schemes >= {"udp", "tcp"}
        assert home.signed == [identity_of("laptop").fingerprint]


async def test_a_used_code_stays_used_when_the_node_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with member(tmp_path) as home:
        await join(home.invite())
    async with member(tmp_path) as home:
        with caplog.at_level(logging.WARNING), pytest.raises(EnrolmentFailed, match="does not take this code"):
            await join(Code(SECRET, home.here), identity_of("mallory"))
        assert not home.signed
        assert said(caplog, "used")
        assert (await join(Code(SECRET, home.here))).proof == b"certificatecertificate", "an answer that was lost comes again"


async def test_a_wrong_secret_is_refused_like_any_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with member(tmp_path) as home:
        home.invite()
        with caplog.at_level(logging.WARNING), pytest.raises(EnrolmentFailed, match="does not take this code"):
            await join(Code(bytes(16), home.here))
        assert said(caplog, "unknown")
        assert (await join(Code(SECRET, home.here))).about.label == "home"


async def test_somebody_else_at_the_address_is_not_spoken_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MOST_REACH_SECONDS", 0.3)
    async with member(tmp_path) as home:
        home.invite()
        with pytest.raises(NotReached, match="not reached"):
            await join(Code(SECRET, Contact(identity_of("else").fingerprint, home.here.endpoints)))
        assert not home.invitations.counters


async def test_who_has_the_inviters_own_identity_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(EnrolmentFailed, match="a node with this host's identity"):
        await join(Code(SECRET, Contact(HOME.fingerprint, (Endpoint("udp", "127.0.0.1", 9),))), HOME)


async def test_a_contact_that_is_named_twice_is_called_once(tmp_path: Path) -> None:
    async with member(tmp_path) as home:
        assert (await join(home.invite()._replace(relays=(home.here,)))).about.label == "home"


async def test_a_code_that_names_no_place_is_said_to() -> None:
    with pytest.raises(EnrolmentFailed, match="nowhere to call"):
        await join(Code(SECRET, Contact(HOME.fingerprint, ())))


async def test_names_that_are_not_found_may_be_found_later() -> None:
    """A host that boots has no name server yet: whoever started it tries again with the same code."""
    with pytest.raises(NotReached, match=r"no address is known for vpn\.invalid") as caught:
        await join(Code(SECRET, Contact(HOME.fingerprint, (Endpoint("udp", "vpn.invalid", 8443),))))
    assert (caught.value.exit_code, caught.value.retryable) == (ExitCode.RETRY, True)


async def test_a_disk_that_is_full_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with member(tmp_path) as home:
        code = home.invite()

        def full(_invitation: Invitation) -> None:
            raise OSError(28, "No space left on device")

        home.invitations._keep = full
        with caplog.at_level(logging.ERROR), pytest.raises(EnrolmentFailed):
            await join(code)
        assert said(caplog, "No space left")


async def test_trouble_with_signing_is_the_admins_to_know(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with member(tmp_path) as home:
        code = home.invite()

        def no_address(_invitation: Invitation, _identity: PublicIdentity) -> bytes:
            raise ApplianceError("no address is free")

        home._issue = no_address  # type: ignore[method-assign]
        spoken = await home.speak()
        with caplog.at_level(logging.ERROR), pytest.raises(EnrolmentFailed):
            await join(code)
        await spoken.close()
        assert said(caplog, "no address is free")


RELAY = identity_of("relay")


async def connected(node: NodeRuntime) -> None:
    while not node.driver.connected_peers():  # noqa: ASYNC110  subscribers hear it before the table does
        await asyncio.sleep(0.01)


@asynccontextmanager
async def behind_a_relay(folder: Path) -> AsyncIterator[tuple[Member, Member]]:
    """An inviter that nobody reaches but the relay, with which it has a session."""
    allowed = {"allowed": ["10.9.0.0/24"]}
    async with (
        member(folder / "relay", "udp", RELAY, identity=HOME.fingerprint, **allowed) as relay,
        member(folder / "home", "udp", HOME, identity=RELAY.fingerprint, endpoints=relay.here.endpoints, **allowed) as home,
    ):
        async with asyncio.timeout(60):
            await connected(home.node)
            await connected(relay.node)
        yield home, relay


async def test_a_member_passes_on_what_a_newcomer_says_to_an_inviter_that_it_does_not_reach(tmp_path: Path) -> None:
    async with behind_a_relay(tmp_path) as (home, relay):
        home.invite()
        code = Code(SECRET, Contact(HOME.fingerprint, ()), (relay.here,))
        told = await join(code)
        assert told.about.label == "home"
        assert home.signed == [identity_of("laptop").fingerprint]
        assert (await join(code)).proof == told.proof, "an answer that was lost comes again"
        with pytest.raises(EnrolmentFailed, match="does not take this code"):
            await join(code, identity_of("mallory"))


async def test_the_inviter_itself_is_asked_if_it_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "HEAD_START", 60.0)
    async with behind_a_relay(tmp_path) as (home, relay):
        sentences: list[str] = []
        await join(home.invite()._replace(relays=(relay.here,)), progress=sentences.append)
        assert not any("passes on" in sentence for sentence in sentences)


async def test_a_member_passes_on_to_its_peers_alone_and_only_what_it_knows(tmp_path: Path) -> None:
    async with behind_a_relay(tmp_path) as (home, relay):
        home.invite()
        with pytest.raises(EnrolmentFailed, match="or the member that passes on does not reach it"):
            await join(Code(SECRET, Contact(identity_of("else").fingerprint, ()), (relay.here,)))
        assert not home.invitations.counters
