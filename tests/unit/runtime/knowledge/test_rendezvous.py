"""Rendezvous between real nodes on a simulated network: meeting places are members with the role."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.knowledge.effects import Deed
from appliance.runtime.knowledge.around import Around
from appliance.runtime.knowledge.rendezvous import RendezvousPart
from appliance.runtime.members.mesh_runtime import MeshRuntime
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import certificate, grants, identity

ADDRESS = {"a": "198.51.100.1", "b": "198.51.100.2", "c": "198.51.100.3"}


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
        assert b.part.unregister("printers") == {"tag": "printers", "was_registered": True}
        assert b.part.unregister("printers") == {"tag": "printers", "was_registered": False}
        await meshed.until(lambda: a.part.status()["counters"].get("withdrawn") == 1)
        assert (await c.done(c.part.find("printers", 10)))["members"] == []

    run(story, tmp_path)
