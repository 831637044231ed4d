"""Members of whom nobody knows where they are, and who know themselves: looked for, one after the other, less and less often."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace

from appliance.api.discovery import Candidate
from appliance.api.values import Endpoint
from appliance.members.row import Row
from appliance.runtime.knowledge import seeking
from appliance.runtime.knowledge.seeking import GRACE, Seeker
from appliance.testing.discovery import FakeDiscoveryServices
from appliance.testing.services import EndOfTime

AT = Endpoint("udp", "192.0.2.1", 8443)


class Network:
    """What a seeker has around it. `rows`: who can be found; `asked`: who was looked up, and when."""

    def __init__(self, *members: str, rows: Sequence[str] = ()) -> None:
        self.services = FakeDiscoveryServices({name: [] for name in members})
        self.services.known = {name: f"llp1:{name}" for name in members}
        self.connected: set[str] = set()
        self.asked: list[tuple[str, float]] = []
        self._rows = rows
        driver = SimpleNamespace(connected_peers=lambda: self.connected)
        parts = SimpleNamespace(monotonic=lambda: self.services.now, driver=driver)
        self.members = {f"llp1:{name}" for name in members}
        mesh = SimpleNamespace(members=lambda: self.members, parts=parts)
        gossip = SimpleNamespace(endpoints_of=lambda row: [AT] * row.sequence)
        self.around = SimpleNamespace(mesh=mesh, gossip=gossip)

    async def seek(self, most: int = 100) -> list[Sequence[Candidate]]:
        """All batches until virtual time ends."""
        found = []
        seeker = Seeker(self.around, self.look_up, self.services)  # type: ignore[arg-type]
        with suppress(EndOfTime):
            async for batch in seeker.candidates():
                found.append(batch)
                if len(found) >= most:
                    break
        return found

    async def look_up(self, identity: str) -> Row | None:
        self.asked.append((identity.removeprefix("llp1:"), self.services.now))
        return Row(b"", b"", 2, 0) if identity.removeprefix("llp1:") in self._rows else None


async def test_who_is_known_by_identity_alone_is_found() -> None:
    network = Network("ann", "ben", "dan", rows=["ann", "ben", "dan"])
    network.services.peers["ben"] = [AT]
    network.members -= {"llp1:dan"}
    found = await network.seek(most=1)
    assert found == [[Candidate("ann", AT, seeking.PRIORITY, 600.0), Candidate("ann", AT, seeking.PRIORITY + 1, 600.0)]]
    assert network.asked == [("ann", GRACE)], "the others have a place, or are no members"


async def test_who_is_not_found_is_looked_for_again_less_and_less_often() -> None:
    network = Network("ann")
    assert not await network.seek()
    times = [when for _, when in network.asked]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:3] == [10.0, 20.0, 40.0]
    assert max(pauses) == seeking.LONGEST_PAUSE


async def test_who_called_us_is_looked_up_once_an_hour_and_soon_when_its_session_has_ended() -> None:
    network = Network("ann", rows=["ann"])
    ends = 2.5 * seeking.LONGEST_PAUSE
    parts = network.around.mesh.parts
    parts.driver.connected_peers = lambda: {"ann"} if network.services.now < ends else set()
    await network.seek()
    before = [when for _, when in network.asked if when < ends]
    after = next(when for _, when in network.asked if when > ends)
    assert len(before) == 3
    assert after <= ends + seeking.LOOK_EVERY + GRACE


async def test_a_thousand_are_looked_for_one_after_the_other() -> None:
    network = Network(*(f"n{number}" for number in range(1000)), rows=["n999"])
    await network.seek(most=1)
    times = [when for _, when in network.asked]
    assert {name for name, _ in network.asked} == {f"n{number}" for number in range(1000)}
    assert all(later - earlier >= seeking.BETWEEN for earlier, later in pairwise(times))
