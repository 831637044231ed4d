"""What every discovery kind does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from appliance.api.discovery import BroughtPeer, Candidate, DiscoveryKind
from appliance.api.profile import Peer
from appliance.api.values import Endpoint, is_address
from appliance.testing.conformance.kinds import KindConformance
from appliance.testing.discovery import FakeDiscoveryServices
from appliance.testing.services import EndOfTime

PEERS = {
    "hub": (Endpoint("udp", "198.51.100.7", 8443), Endpoint("tcp", "2001:db8::7", 8443)),
    "named": (Endpoint("udp", "vpn.example", 8443),),
    "lost": (Endpoint("udp", "nowhere.example", 8443),),
    "quiet": (),
}
NAMES = {"vpn.example": ["2001:db8::9", "192.0.2.9"]}
BATCHES = 5
PATIENCE = 10.0
"""Seconds of real time for the batches: services sleep in virtual time, so waiting means hanging."""
A_WHILE = 0.2
"""Seconds of real time for which a discoverer runs that finds nothing here."""
STOP_SECONDS = 5.0
"""What the daemon grants a discoverer to stop."""


class DiscoveryConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind.

    A discoverer that needs something outside (a multicast group, a server) sets `expects_candidates` to False or overrides
    `services`, so that it finds what the suite expects.
    """

    noun = "discovery"
    expects_candidates = True
    """False for a kind that finds nothing by configured endpoints alone."""
    expects_peers = True
    """False for a kind that brings peers, but none in a test."""

    def kind(self) -> DiscoveryKind:
        """The kind to try."""
        raise NotImplementedError

    def services(self) -> FakeDiscoveryServices:
        """Peers with addresses, names, an unknown name, and nothing."""
        return FakeDiscoveryServices(PEERS, names=NAMES)

    def batches(self, services: FakeDiscoveryServices, count: int = BATCHES) -> list[Sequence[Candidate]]:
        """The first batches of a new discoverer."""

        async def read() -> list[Sequence[Candidate]]:
            found: list[Sequence[Candidate]] = []
            async with asyncio.timeout(PATIENCE):
                async for batch in self.opened(services).candidates():
                    found.append(batch)
                    if len(found) == count:
                        break
            return found

        if not self.looks():
            return []
        try:
            return asyncio.run(read())
        except EndOfTime:
            return []

    def run_for_a_while(self) -> int:
        """Run a new discoverer beside others and stop it. Returns how often the others had a turn."""

        async def follow() -> None:
            opened = self.opened(self.services())
            for given in (getattr(opened, name)() for name in ("candidates", "peers") if hasattr(opened, name)):
                with suppress(EndOfTime):
                    async for _ in given:
                        await asyncio.sleep(0)

        async def beside() -> int:
            turns = 0
            running = asyncio.get_running_loop().create_task(follow())
            with suppress(TimeoutError):
                async with asyncio.timeout(A_WHILE):
                    while not running.done():
                        await asyncio.sleep(0.001)
                        turns += 1
            running.cancel()
            await asyncio.wait({running}, timeout=STOP_SECONDS)
            assert running.done(), "it goes on when it is stopped: let CancelledError pass"
            if not running.cancelled() and (error := running.exception()) is not None:
                raise error
            return turns

        return asyncio.run(beside())

    def looks(self) -> bool:
        """Does it look for the peers of the profile, and find them?"""
        return self.expects_candidates and "candidates" in self._members()

    def _members(self) -> set[str]:
        async def look() -> set[str]:
            services = self.services()
            opened = self.opened(services)
            await services.close()
            return {name for name in ("candidates", "peers") if hasattr(opened, name)}

        return asyncio.run(look())

    def test_it_has_every_member(self) -> None:
        assert self._members(), "it has neither the members of Discoverer nor those of PeerSource"

    def test_the_peers_that_it_brings_could_be_peers(self) -> None:
        if not self.expects_peers or "peers" not in self._members():
            return

        async def read() -> Sequence[BroughtPeer]:
            services = self.services()
            try:
                found: Sequence[BroughtPeer] = await anext(aiter(self.opened(services).peers()))
            finally:
                await services.close()
            return found

        found = list(asyncio.run(read()))
        assert len({peer.name for peer in found}) == len(found), "two of one name"
        for peer in found:
            assert isinstance(peer, BroughtPeer)
            Peer.model_validate(
                {**peer._asdict(), "endpoints": list(map(str, peer.endpoints)), "allowed": list(map(str, peer.allowed))}
            )

    def test_it_runs_beside_others_and_stops(self) -> None:
        self.run_for_a_while()

    def test_its_figures_can_be_shown(self) -> None:
        services, looks = self.services(), self.looks()

        async def read() -> None:
            opened = self.opened(services)
            self.check_figures(opened, services)
            if looks:
                await anext(aiter(opened.candidates()))
                self.check_figures(opened, services)

        asyncio.run(read())

    def test_it_gives_candidates_for_peers_of_the_profile(self) -> None:
        found = self._all()
        assert found or not self.looks(), "it gives no candidate within a million seconds"
        for candidate in found:
            assert isinstance(candidate, Candidate)
            assert candidate.peer in PEERS

    def test_hosts_are_addresses_by_now(self) -> None:
        for candidate in self._all():
            host, port = candidate.endpoint.host, candidate.endpoint.port
            assert is_address(host) or not host, f"{host} is to be looked up first"
            assert 0 <= port <= 65535

    def test_candidates_live_for_a_while(self) -> None:
        given = set()
        for candidate in self._all():
            assert isinstance(candidate.priority, int)
            assert 0 <= candidate.ttl <= 86400
            assert candidate.ttl or candidate[:2] in given, "it takes back what it never gave"
            given.add(candidate[:2])

    def test_a_changed_list_of_peers_is_looked_at(self) -> None:
        services = self.services()

        async def read() -> set[str]:
            found: set[str] = set()
            with suppress(EndOfTime):
                async for batch in self.opened(services).candidates():
                    found |= {candidate.peer for candidate in batch}
                    services.peers["late"] = (Endpoint("udp", "198.51.100.99", 8443),)
                    if "late" in found:
                        break
            return found

        if self.looks():
            assert "late" in asyncio.run(read()), "ask services.configured() in each round: peers come and go"

    def test_nothing_is_found_for_nobody(self) -> None:
        services = self.services()
        services.peers = {}
        assert not self.batches(services)

    def test_an_unknown_name_is_reported_and_stops_nobody(self) -> None:
        services = self.services()
        batches = self.batches(services, 6)
        if self.looks():
            assert {candidate.peer for batch in batches for candidate in batch} >= {"hub", "named"}
            assert any("nowhere.example" in problem for problem in services.reported)

    def test_it_pauses_between_rounds(self) -> None:
        services = self.services()
        self.batches(services, 12)
        assert not self.looks() or services.now > 0, "a discoverer that never sleeps takes a whole core"

    def _all(self) -> list[Candidate]:
        return [candidate for batch in self.batches(self.services()) for candidate in batch]
