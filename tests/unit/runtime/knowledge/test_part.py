"""The parts of one node begin and end as its profile says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.discovery import DiscoveryKind
from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.profile import Profile
from appliance.runtime.knowledge.around import Around
from appliance.runtime.knowledge.part import Knowledge, Make

AROUND = Around(SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]


class Diary:
    """A part that writes down what befalls it."""

    problem = ""

    def __init__(self, name: str, story: list[str]) -> None:
        self._name, self._story = name, story
        story.append(f"{name} made")

    def kinds(self) -> Iterator[PeerProtocolKind]:
        yield PeerProtocolKind(self._name, None, lambda _settings, _services: SimpleNamespace())

    def status(self) -> Mapping[str, Any]:
        return {"name": self._name}

    def use(self, profile: Profile) -> None:
        self._story.append(f"{self._name} uses {profile.name}")

    async def start(self) -> None:
        self._story.append(f"{self._name} started")

    async def close(self) -> None:
        self._story.append(f"{self._name} closed")


def named(profile: Profile) -> list[str]:
    return profile.name.split("-")


def test_a_reload_ends_what_is_wanted_no_more_and_begins_what_is_new() -> None:
    story: list[str] = []

    def wants(_around: Around, profile: Profile) -> Iterator[tuple[str, Make]]:
        yield from ((name, lambda name=name: Diary(name, story)) for name in named(profile))

    async def tell() -> None:
        knowledge = Knowledge(AROUND, profile("a-b"), wants)
        await knowledge.start()
        await knowledge.use(profile("b-c"))
        assert list(knowledge.kinds) == ["b", "c"]
        story.append("spoken")
        await knowledge.start()
        assert knowledge.status() == {"b": {"name": "b"}, "c": {"name": "c"}}
        assert knowledge.problems() == {"b": "", "c": ""}
        await knowledge.close()

    asyncio.run(tell())
    assert story == [
        *("a made", "b made", "a started", "b started"),
        *("a closed", "b uses b-c", "c made", "spoken", "c started"),
        *("c closed", "b closed"),
    ]


def profile(name: str) -> Profile:
    return Profile.model_validate({"profile": 1, "name": name})


def test_each_part_ends_though_another_one_fails_to() -> None:
    story: list[str] = []

    class Broken(Diary):
        async def close(self) -> None:
            raise OSError("the disk is full")

    def wants(_around: Around, profile: Profile) -> Iterator[tuple[str, Make]]:
        yield from ((name, lambda name=name: (Broken if name > "b" else Diary)(name, story)) for name in named(profile))

    async def tell() -> None:
        with pytest.raises(ExceptionGroup) as failed:
            await Knowledge(AROUND, profile("a-c"), wants).close()
        assert [str(each) for each in failed.value.exceptions] == ["the disk is full"]

    asyncio.run(tell())
    assert story[-1] == "a closed"


def test_parts_that_count_are_asked_for_it() -> None:
    class Busy(Diary):
        def counters(self) -> Mapping[str, int]:
            return {"looked-up": 3}

    def wants(_around: Around, profile: Profile) -> Iterator[tuple[str, Make]]:
        yield from ((name, lambda name=name: (Busy if name > "b" else Diary)(name, [])) for name in named(profile))

    async def tell() -> None:
        assert Knowledge(AROUND, profile("a-c"), wants).counters() == {"c": {"looked-up": 3}}

    asyncio.run(tell())


def test_parts_bring_discovery_kinds_if_they_find_members() -> None:
    class Finding(Diary):
        def discovery(self) -> Iterator[DiscoveryKind]:
            yield DiscoveryKind(self._name, None, lambda _settings, _services: SimpleNamespace())

    def wants(_around: Around, profile: Profile) -> Iterator[tuple[str, Make]]:
        yield from ((name, lambda name=name: (Finding if name > "b" else Diary)(name, [])) for name in named(profile))

    async def tell() -> None:
        knowledge = Knowledge(AROUND, profile("a-c"), wants)
        assert list(knowledge.discovery) == ["c"]
        await knowledge.use(profile("a-d"))
        assert list(knowledge.discovery) == ["d"]

    asyncio.run(tell())
