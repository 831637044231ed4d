"""What steps do to hosts and wires, without nodes, and that a lab is afterwards as it was built."""

from __future__ import annotations

from typing import Any

import pytest
from rigs.labs import bare

from appliance.lab import deeds, probing
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.machines.machine import LabFailure

pytestmark = pytest.mark.netns


def steps(*entries: dict[str, Any]) -> LabFile:
    return bare("a", "b", "c", steps=list(entries))


async def play(lab: Lab) -> list[bool | str]:
    """What each step says: a sentence for a deed, and for a probe whether it was ok."""
    said: list[bool | str] = []
    for step in lab.definition.steps:
        if step.do is not None:
            said.append(await deeds.do(lab, step))
        else:
            said += [(await probing.ask(lab, asked)).ok for asked in probing.asked_by(lab.definition, step.as_probe())]
    return said


async def test_a_wire_falls_apart_and_heals() -> None:
    alone = {"probe": "ping", "from": "b", "to": "c", "count": 1, "fails": True}
    together = {"probe": "ping", "from": "b", "to": "c", "within": "30s"}
    definition = steps(
        {"do": "cut", "wire": "wan", "apart": [["a", "b"], ["c"]]},
        alone,
        {"probe": "ping", "from": "a", "to": "b"},
        {"do": "cut", "wire": "wan", "apart": [["a"], ["b", "c"]]},
        together,
        alone | {"from": "a"},
        {"do": "heal", "wire": "wan"},
        together | {"from": "a"},
    )
    async with Lab(definition, start=False) as lab:
        assert await play(lab) == [
            "wan is cut: a, b | c",
            *[True] * 4,
            "wan is cut: a | b, c",
            *[True] * 4,
            "wan is whole again",
            *[True] * 2,
        ]
    assert lab.left_behind == []


async def test_a_probe_that_must_fail_and_does_not_is_not_ok() -> None:
    async with Lab(steps({"probe": "ping", "from": "a", "to": "b", "fails": True}), start=False) as lab:
        assert await play(lab) == [False, False]


async def test_bytes_that_no_node_carries_are_no_path() -> None:
    probe = {"probe": "path", "from": "a", "to": "b"}
    async with Lab(bare("a", "b", steps=[probe]), start=False) as lab:
        (first, _) = [
            await probing.ask(lab, asked) for asked in probing.asked_by(lab.definition, lab.definition.steps[0].as_probe())
        ]
    assert (first.ok, first.detail) == (False, "there is no session, and the bytes went through nobody's")


async def test_a_host_moves_to_another_uplink_and_is_as_before_in_the_end() -> None:
    links = [
        {"name": "wan", "hosts": ["server", "one", "two"], "ipv4": "198.51.100.0/24", "ipv6": "2001:db8::/64"},
        {"name": "wifi", "hosts": ["one", "a"], "ipv4": "192.168.0.0/24"},
        {"name": "lte", "hosts": ["two", "a"], "ipv4": "192.168.1.0/24", "ipv6": "2001:db8:1::/64"},
    ]
    routers = {"one": {"nat": "plain", "outside": "wan"}, "two": {"nat": "symmetric", "outside": "wan"}}
    hosts = {"server": {"addresses": ["198.51.100.1/24", "2001:db8::1/64"]}, "a": {"addresses": ["10.0.0.1/24", "fd00::1/64"]}}
    hosts["a"]["uplink"] = "wifi"  # type: ignore[assignment]
    definition = LabFile.model_validate(
        {
            "lab": 1,
            "name": "moves",
            "links": links,
            "routers": routers,
            "hosts": hosts,
            "steps": [{"do": "uplink", "host": "a", "wire": "lte"}],
        }
    )
    ways = (["ping", "-c1", "-W5", "198.51.100.1"], ["ping", "-c1", "-W5", "2001:db8::1"])
    async with Lab(definition, start=False) as lab:
        host = lab.host("a")
        before = host.seen()
        assert [(await host.run(way)).code == 0 for way in ways] == [True, False]
        assert await play(lab) == ["a has lte as its uplink"]
        assert [(await host.run(way)).code == 0 for way in ways] == [True, True]
        lab.change_uplink("a", "wifi")
        assert host.seen() == before
    assert lab.left_behind == []


async def test_a_host_that_boots_has_the_uplink_that_it_had() -> None:
    links = [{"name": name, "hosts": ["a", "b"], "ipv4": f"192.168.{number}.0/24"} for number, name in enumerate(("wifi", "lte"))]
    hosts = {name: {"addresses": [f"10.0.0.{number}/24"]} for number, name in enumerate("ab", 1)}
    start = {"do": "start", "host": "a"}
    done = [start, {"do": "uplink", "host": "a", "wire": "lte"}, {"do": "kill", "host": "a"}]
    definition = LabFile.model_validate({"lab": 1, "name": "boots", "links": links, "hosts": hosts, "steps": [*done, start]})
    async with Lab(definition, start=False) as lab:
        *before, again = lab.definition.steps
        for step in before:
            await deeds.do(lab, step)
        lab.host("a").machine.ip("link", "set", "wifi", "up")  # as what boots does
        await deeds.do(lab, again)
        told = {name: lab.host("a").machine.ip("-o", "link", "show", name) for name in ("wifi", "lte")}
        assert ["UP" in text.partition(">")[0] for text in told.values()] == [False, True]
    assert lab.left_behind == []


async def test_what_cannot_be_done_is_said() -> None:
    async with Lab(steps({"do": "kill", "host": "a"}), start=False) as lab:
        with pytest.raises(LabFailure, match="there is no node on a to kill"):
            await play(lab)
