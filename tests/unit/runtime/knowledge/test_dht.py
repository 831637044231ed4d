"""The hash table in real nodes on a simulated network: what one puts the others find, also after a restart."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.values import Endpoint
from appliance.knowledge.dht.store import value_of
from appliance.members.network import digest_of_text
from appliance.members.row import Digest, EndpointKind, Reachable, Row
from appliance.runtime.knowledge import dht
from appliance.runtime.knowledge.around import Around
from appliance.runtime.knowledge.dht import HashTable, TableBusy
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.runtime.members.row_file import read_rows
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import certificate, grants

NAMES = "abcd"
ADDRESSES = {name: f"198.51.100.{number}" for number, name in enumerate(NAMES, 1)}
MEMBERS = [certificate(name, grants=grants(f"10.7.0.{number}")) for number, name in enumerate(NAMES, 1)]
Found = TypeVar("Found")
AT = Endpoint("udp", "203.0.113.9", 8443)


def of(name: str) -> Digest:
    return digest_of_text(identity_of(name).fingerprint)


class Node:
    """One with a hash table. Its row says that it is at `places`."""

    def __init__(self, *places: Endpoint) -> None:
        self.places = places
        self.table: HashTable

    async def join(self, meshed: Meshed, name: str) -> Node:
        others = [(other, address) for other, address in ADDRESSES.items() if other != name]
        self.host: MeshedHost = await meshed.add(name, ADDRESSES[name], *MEMBERS, first=others, more=self._kinds)
        await self.table.start()
        return self

    def _kinds(self, runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
        mesh = runtime.mesh
        own, network = digest_of_text(mesh.own), digest_of_text(mesh.trust.network.fingerprint)

        def rows() -> dict[Digest, Row]:
            endpoints = tuple(Reachable(EndpointKind.LOCAL, 7, place) for place in self.places)
            return {own: Row(network, own, 5, 99, endpoints=endpoints)}

        gossip = SimpleNamespace(rows=rows)
        self.around = Around(mesh, gossip)  # type: ignore[arg-type]
        self.table = HashTable(self.around)
        return self.table.kinds()

    async def stop(self, meshed: Meshed) -> None:
        await self.table.close()
        await self.host.stop()
        meshed.hosts.remove(self.host)


async def lasting(meshed: Meshed, work: Coroutine[Any, Any, Found]) -> Found:
    """What a look-up finds; time passes meanwhile."""
    task = asyncio.ensure_future(work)
    await meshed.until(task.done)
    return task.result()


async def all_of(meshed: Meshed, *places: Endpoint) -> list[Node]:
    nodes = [await Node(*places).join(meshed, name) for name in NAMES]
    await meshed.until(lambda: all(len(node.table.machine.nodes()) == len(NAMES) - 1 for node in nodes))
    return nodes


def test_what_one_puts_the_others_find(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b, c, d = await all_of(meshed)
        kept = await lasting(meshed, b.table.put(b"menu", b"soup", 3600.0))
        assert kept.stored_at == len(NAMES)
        found = await lasting(meshed, c.table.get(b"menu"))
        assert [(record.member, value_of(record)) for record in found.records] == [(of("b"), b"soup")]
        await lasting(meshed, c.table.provide(b"bread", 3600.0))
        assert (await lasting(meshed, d.table.providers(b"bread"))).providers == (of("c"),)
        assert (await lasting(meshed, a.table.find(of("d")))).ok
        assert not (await lasting(meshed, a.table.get(b"other"))).records
        assert a.table.stats() == {"totalNodes": 3, "bucketsUsed": a.table.machine.figures()["buckets"], "bootstrapNodes": 3}
        b.table.remove(of("a"))
        assert b.table.stats()["bootstrapNodes"] == 2
        assert a.table.counters()["store-kept"] > 0
        assert "nodes" not in a.table.counters()
        for node in (a, b, c, d):
            await node.stop(meshed)

    run(story, tmp_path)


def test_records_are_there_after_a_restart_of_all(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        nodes = await all_of(meshed)
        await lasting(meshed, nodes[1].table.put(b"menu", b"soup", 3600.0))
        for node in nodes:
            await node.stop(meshed)
        assert read_rows(nodes[2].host.folder.path, dht.NAME)
        again = await Node().join(meshed, "c")
        await meshed.until(lambda: again.table.machine.figures()["records"] == 1)
        found = await lasting(meshed, again.table.get(b"menu"))
        assert [value_of(record) for record in found.records] == [b"soup"], "there is nobody else to ask"
        await again.stop(meshed)

    run(story, tmp_path)


def test_a_member_is_found_by_its_identity_and_where_it_is_later_counts(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        nodes = await all_of(meshed, AT)
        a, d = nodes[0], nodes[3]
        await meshed.pause(dht.LOOK_SECONDS + 10.0)
        row = await lasting(meshed, a.table.row_of(identity_of("d").fingerprint))
        assert row is not None
        assert [each.endpoint for each in row.endpoints] == [AT]
        assert await lasting(meshed, a.table.row_of("llp1:" + "a" * 52)) is None
        elsewhere = AT._replace(port=9)
        d.places = (elsewhere,)
        await meshed.pause(dht.LOOK_SECONDS + 10.0)
        row = await lasting(meshed, a.table.row_of(identity_of("d").fingerprint))
        assert row is not None
        assert [each.endpoint for each in row.endpoints] == [elsewhere]
        for node in nodes:
            await node.stop(meshed)

    run(story, tmp_path)


def test_alone_it_goes_on_and_warns_only_when_members_are_there(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await Node(AT).join(meshed, "a")
        await meshed.pause(dht.ALONE_SECONDS + 60.0)
        assert (a.table.problem, a.table.warning) == ("", "")
        kept = await lasting(meshed, a.table.put(b"menu", b"soup", 3600.0))
        assert kept.stored_at == 1
        mute = await meshed.add("b", ADDRESSES["b"], *MEMBERS, first=[("a", ADDRESSES["a"])])
        await meshed.until(lambda: "b" in a.host.connected())
        await meshed.pause(dht.ALONE_SECONDS + 60.0)
        assert a.table.problem == ""
        assert "none of them answers" in a.table.warning
        assert a.table.status()["warning"] == a.table.warning
        await a.stop(meshed)
        await mute.stop()
        meshed.hosts.remove(mute)

    run(story, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_problem_and_nothing_is_lost(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await Node().join(meshed, "a")
        await lasting(meshed, a.table.put(b"menu", b"soup", 3600.0))
        away = tmp_path / "away"
        shutil.move(a.host.folder.path, away)
        await a.table._kept._write()
        assert "cannot be kept" in a.table.problem
        assert (await lasting(meshed, a.table.get(b"menu"))).records
        shutil.move(away, a.host.folder.path)
        await a.stop(meshed)
        assert a.table.problem == ""
        assert read_rows(a.host.folder.path, dht.NAME)

    run(story, tmp_path)


def test_a_stop_before_all_was_read_leaves_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dht, "REMEMBERED_AT_ONCE", 1)

    async def story(meshed: Meshed) -> None:
        a = await Node().join(meshed, "a")
        for number in range(20):
            await lasting(meshed, a.table.put(b"%d" % number, b"soup", 3600.0))
        await a.stop(meshed)
        kept = read_rows(a.host.folder.path, dht.NAME)
        again = await Node().join(meshed, "a")
        while not again.table.machine.figures()["own"]:  # noqa: ASYNC110  it is read in a turn of the loop each
            await asyncio.sleep(0)
        assert again.table.machine.figures()["own"] < 20
        await again.stop(meshed)
        assert read_rows(again.host.folder.path, dht.NAME) == kept

    run(story, tmp_path)


def test_programs_wait_within_limits_and_who_gives_up_is_forgotten(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await Node().join(meshed, "a")
        network = meshed.network
        network.take_down(ADDRESSES["a"])
        waiting = [asyncio.ensure_future(a.table.get(b"%d" % number)) for number in range(dht.MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(TableBusy):
            await a.table.get(b"one more")
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        more = asyncio.ensure_future(a.table.get(b"one more"))
        await asyncio.sleep(0)
        await a.stop(meshed)
        told = await asyncio.gather(*waiting[1:], more, return_exceptions=True)
        assert {type(each) for each in told} == {TableBusy}
        with pytest.raises(TableBusy):
            await a.table.get(b"after the end")
        network.bring_up(ADDRESSES["a"])

    run(story, tmp_path)


def test_other_parts_have_the_table_while_it_runs(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await Node().join(meshed, "a")
        assert a.around.shared.providers is a.table
        await a.stop(meshed)
        assert a.around.shared.providers is None

    run(story, tmp_path)
