"""Rendezvous between real nodes on a simulated network: meeting places are members with the role."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.discovery import Candidate
from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.values import Endpoint
from appliance.errors import ExitCode
from appliance.knowledge.effects import Deed
from appliance.management.operations.table import BY_NAME
from appliance.members.row import EndpointKind, Reachable
from appliance.runtime.knowledge.around import Around
from appliance.runtime.knowledge.rendezvous import NO_PLACE, OWN_FILE, PLACE_FILE, NoMeetingPlace, RendezvousPart
from appliance.runtime.members.gossip import Place
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.runtime.members.row_file import keep_rows, read_rows
from appliance.runtime.plugins.routes import BadArguments
from appliance.testing.pair import PORT
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import NOW, certificate, grants, identity

ADDRESS = {"a": "198.51.100.1", "b": "198.51.100.2", "c": "198.51.100.3"}

PLACE = grants("10.7.0.1", roles=("rendezvous",))
HERE = Reachable(EndpointKind.CONFIGURED, 0, Endpoint("udp", "203.0.113.5", 9))


class Node:
    """One with rendezvous."""

    def __init__(self, meshed: Meshed, name: str, mesh: dict[str, Any]) -> None:
        self.meshed, self.name, self._mesh = meshed, name, mesh
        self.deeds: list[Deed] = []

    async def join(self, statements: Iterable[Any]) -> Node:
        first = [] if self.name == "a" else [("a", ADDRESS["a"])]
        self.host: MeshedHost = await self.meshed.add(
            self.name, ADDRESS[self.name], *statements, first=first, mesh=self._mesh, more=self._kinds
        )
        await self.part.start()
        return self

    def _kinds(self, runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
        around = Around(runtime.mesh, runtime.gossip)
        around.judged.listeners.append(lambda _family, deed: self.deeds.append(deed))
        self.part = RendezvousPart(around, self.host_profile(runtime))
        return self.part.kinds()

    def host_profile(self, runtime: MeshRuntime) -> Any:
        return SimpleNamespace(mesh=runtime.mesh.settings)

    async def restart(self) -> None:
        """The process ends in order, and another one begins."""
        await self.part.close()
        await self.host.stop()
        self.host.start()
        await self.host.begin()
        await self.part.start()

    def use(self, **rendezvous: Any) -> None:
        """The profile says this from now on."""
        mesh = self.host.mesh.settings
        changed = mesh.model_copy(update={"rendezvous": mesh.rendezvous.model_copy(update=rendezvous)})
        self.part.use(SimpleNamespace(mesh=changed))  # type: ignore[arg-type]

    async def done(self, asked: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        """Let time pass until it is answered."""
        task = asyncio.ensure_future(asked)
        await self.meshed.until(task.done)
        return task.result()


def statements(*places: str) -> list[Any]:
    return [
        certificate(name, grants=grants(f"10.7.0.{number}", roles=("rendezvous",) if name in places else ()))
        for number, name in enumerate("abc", 1)
    ]


async def three(meshed: Meshed, *places: str, **mesh: dict[str, Any]) -> tuple[Node, Node, Node]:
    """Three members, of whom those are meeting places."""
    known = statements(*places)
    a, b, c = [await Node(meshed, name, mesh.get(name, {})).join(known) for name in "abc"]
    await meshed.until(lambda: all(len(node.host.knows()) == 2 for node in (a, b, c)))
    for node in (a, b, c):
        for name, at in ADDRESS.items():
            node.host.mesh.reach(identity(name), [Endpoint("udp", at, PORT)])
    return a, b, c


def test_who_registers_is_found_until_he_is_so_no_more(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c = await three(meshed, "a")
        said = await b.done(b.part.register("printers", 7200))
        assert said["places"] == [{"place": "a", "state": "registered"}]
        found = await c.done(c.part.find("printers", 10))
        assert [(each["name"], each["identity"], each["own"]) for each in found["members"]] == [("b", identity("b"), False)]
        assert (found["answered"], found["silent"]) == (["a"], [])
        assert (await c.done(c.part.find("scanners", 10)))["members"] == []
        assert a.part.status()["kept"] == {"registrations": 1, "tags": 1, "evicted": 0}
        assert [each["tag"] for each in b.part.list()["registered"]] == ["printers"]
        for operation, answer in (("register", said), ("find", found), ("list", b.part.list())):
            BY_NAME[f"rendezvous.{operation}"].result.model_validate(answer)
        assert b.part.unregister("printers") == {"tag": "printers", "was_registered": True}
        assert b.part.unregister("printers") == {"tag": "printers", "was_registered": False}
        await meshed.until(lambda: a.part.status()["counters"].get("withdrawn") == 1)
        assert (await c.done(c.part.find("printers", 10)))["members"] == []

    run(story, tmp_path)


def test_what_was_registered_is_there_after_restarts_of_both_ends(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c = await three(meshed, "a")
        await b.done(b.part.register("printers", 7200))
        await a.restart()
        assert a.part.status()["kept"]["registrations"] == 1
        await b.restart()
        assert [each["tag"] for each in b.part.list()["registered"]] == ["printers"]
        await meshed.until(lambda: b.part.list()["registered"][0]["places"] == [{"place": "a", "state": "registered"}], 600.0)
        await meshed.until(lambda: "a" in c.host.connected(), 600.0)
        assert [each["name"] for each in (await c.done(c.part.find("printers", 10)))["members"]] == ["b"]

    run(story, tmp_path)


def test_damaged_files_cost_what_is_damaged(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c = await three(meshed, "a")
        for node in (b, c):
            await node.done(node.part.register("printers", 7200))
        await a.part.close()
        folder = a.host.folder.path
        first, second = read_rows(folder, PLACE_FILE)
        keep_rows(folder, [first, second[:-1] + b"?", b"", b"nonsense"], PLACE_FILE)
        keep_rows(folder, [bytes(3000)], OWN_FILE)
        await a.restart()
        assert a.part.status()["kept"]["registrations"] == 1
        assert a.part.status()["counters"]["not-remembered"] == 4

    run(story, tmp_path)


def test_a_disk_that_is_full_is_a_problem_and_a_registration_holds_all_the_same(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        _, b, c = await three(meshed, "a")
        await b.done(b.part.register("printers", 7200))
        shutil.rmtree(b.host.folder.path)
        await b.part._kept_own._write()
        assert b.part.problem.startswith("registrations cannot be kept: ")
        assert [each["name"] for each in (await c.done(c.part.find("printers", 10)))["members"]] == ["b"]
        b.host.folder.make()
        await b.part._kept_own._write()
        assert b.part.problem == ""

    run(story, tmp_path)


def test_without_a_meeting_place_it_is_said_with_a_hint(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, _ = await three(meshed, c={"rendezvous": {"tags": ["printers"]}})
        for asked in (b.part.register("printers", 7200), b.part.find("printers", 10)):
            with pytest.raises(NoMeetingPlace, match=NO_PLACE) as caught:
                await b.done(asked)
            assert caught.value.exit_code == ExitCode.RETRY
            assert "--role rendezvous" in caught.value.hint
        assert b.part.list() == {"serves": False, "places": [], "registered": []}
        assert (a.part.problem, b.part.problem) == ("", ""), "who wants nothing lacks nothing"

    run(story, tmp_path)


def test_what_the_profile_says_is_registered_and_a_problem_where_it_cannot_be(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c = await three(meshed, b={"rendezvous": {"tags": ["printers"]}})
        assert b.part.problem == NO_PLACE
        for node in (a, b, c):
            node.host.mesh.take(certificate("a", serial=1000, since=NOW, not_before=NOW + 1, grants=PLACE).encoded)
        await meshed.until(lambda: b.part.list()["registered"][0]["places"] == [{"place": "a", "state": "registered"}], 600.0)
        assert b.part.problem == ""
        with pytest.raises(BadArguments, match="the profile says"):
            b.part.unregister("printers")
        assert [each["name"] for each in (await c.done(c.part.find("printers", 10)))["members"]] == ["b"]
        b.use(tags=("scanners",))
        await meshed.pause(2.0)
        assert [each["tag"] for each in b.part.list()["registered"]] == ["scanners"]
        assert (await c.done(c.part.find("printers", 10)))["members"] == []

    run(story, tmp_path)


def test_a_meeting_place_that_is_dead_is_said_to_be_silent(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c = await three(meshed, "a", "c")
        await a.part.close()
        await a.host.stop()
        meshed.hosts.remove(a.host)
        found = await b.done(b.part.find("printers", 10))
        assert (found["answered"], found["silent"]) == (["c"], ["a"])
        said = await b.done(b.part.register("printers", 7200))
        assert {"place": "c", "state": "registered"} in said["places"]
        await c.part.close()
        await c.host.stop()
        meshed.hosts.remove(c.host)
        with pytest.raises(NoMeetingPlace, match="no meeting place answers"):
            await b.done(b.part.find("printers", 10))

    run(story, tmp_path)


def test_arguments_that_make_no_sense(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        _, b, _ = await three(meshed, "a")
        for asked in (
            b.part.register("no tag", 7200),
            b.part.register("t", 59),
            b.part.register("t", 72 * 3600 + 1),
            b.part.find("t", 0),
            b.part.find("t", 1025),
            b.part.find("", 5),
        ):
            with pytest.raises(BadArguments):
                await b.done(asked)
        for number in range(64):
            await b.done(b.part.register(f"t{number}", 7200))
        with pytest.raises(BadArguments, match="too many tags"):
            await b.done(b.part.register("one-more", 7200))

    run(story, tmp_path)


def test_who_waits_is_told_when_the_part_ends(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        _, b, _ = await three(meshed, "a")
        asked = asyncio.ensure_future(b.part.find("t", 5))
        await asyncio.sleep(0)
        await b.part.close()
        with pytest.raises(NoMeetingPlace):
            await asked
        assert b.part._found == {}

    run(story, tmp_path)


def test_discovery_calls_who_is_registered_where_the_registration_says(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        _, b, c = await three(meshed, "a", c={"rendezvous": {"call": ["printers"]}})
        assert [kind.name for kind in c.part.discovery()] == ["rendezvous"]
        assert list(b.part.discovery()) == [], "who follows nothing needs no discovery"
        c.part._around.gossip._place = Place(schemes=lambda: ("udp",))
        b.part._around.gossip._place = Place(endpoints=lambda: (HERE,))
        b.part._around.gossip.look()
        await b.done(b.part.register("printers", 7200))
        batches: list[Sequence[Candidate]] = []

        async def read() -> None:
            (kind,) = c.part.discovery()
            found = kind.open(None, SimpleNamespace()).candidates()  # type: ignore[union-attr, arg-type]
            async for batch in found:
                batches.append(batch)  # noqa: PERF401  it has no end

        reading = asyncio.ensure_future(read())
        await meshed.until(lambda: batches, 120.0)
        assert [(each.peer, str(each.endpoint)) for each in batches[0]] == [("b", "udp://203.0.113.5:9")]
        assert 7000 < batches[0][0].ttl <= 7200
        await meshed.until(lambda: "b" in c.host.connected(), 120.0)
        b.part.unregister("printers")
        await meshed.until(lambda: len(batches) > 1, 120.0)
        assert [(each.peer, each.ttl) for each in batches[-1]] == [("b", 0.0)]
        reading.cancel()

    run(story, tmp_path)
