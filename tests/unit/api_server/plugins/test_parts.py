"""What plugins bring to the API server is opened, opened again when it failed, and its trouble told to the node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.api.event_exports import ExportKind
from appliance.api.profile_management import Management
from appliance.api.profile_section import Section
from appliance.api.stores import Put, StoreKind
from appliance.api_server.plugins import parts as module
from appliance.api_server.plugins.kinds import Brought, Kinds
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints, PartServices
from appliance.errors import ApplianceError, HostError, PluginFault
from appliance.foundation.clock import wall
from appliance.store.memory import MemoryStore


class Settings(Section):
    """Of a shelf."""

    url: str = "shelf:"


class Node:
    """What is told to the node, and what it has."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.heard = asyncio.Event()

    async def secret(self, reference: str) -> bytes:
        return {"file:/key": b"k"}[reference]

    async def tell_part(self, key: str, name: str, problem: str) -> None:
        self.told.append((key, name, problem))
        self.heard.set()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def make(node: Node, tmp_path: Path) -> Callable[..., PluginParts]:
    def of(kinds: Kinds, **section: Any) -> PluginParts:
        return PluginParts(kinds, Management.model_validate(section), Joints("n", "f", node, tmp_path, {}))

    return of


async def test_a_store_is_open_until_the_end(make: Callable[..., PluginParts]) -> None:
    lived: list[str] = []

    @asynccontextmanager
    async def shelf(settings: Settings, services: PartServices) -> AsyncIterator[MemoryStore]:
        lived.append(f"{settings.url} {services.node} {await services.secret('file:/key')!r}")
        yield MemoryStore(clock=wall)
        lived.append("closed")

    parts = make({"store": {"shelf": Brought("p", StoreKind("shelf", lambda: Settings, shelf))}}, store={"shelf": {"url": "x:"}})
    store = await parts.store()
    assert store is not None
    await store.commit(Put("s", "k", b"v"))
    assert lived == ["x: n b'k'"]
    await parts.close()
    assert lived[-1] == "closed"


async def test_without_a_store_in_the_profile_there_is_none(make: Callable[..., PluginParts]) -> None:
    assert await make({}).store() is None


@pytest.mark.parametrize(
    ("raised", "wanted", "message"),
    [(HostError("no route"), HostError, "no route"), (ZeroDivisionError("x"), PluginFault, r"store\.shelf raised ZeroDivision")],
)
async def test_a_store_that_does_not_open_is_named(
    make: Callable[..., PluginParts], raised: Exception, wanted: type[ApplianceError], message: str
) -> None:
    @asynccontextmanager
    async def shelf(_settings: Settings, _services: PartServices) -> AsyncIterator[MemoryStore]:
        raise raised
        yield

    parts = make({"store": {"shelf": Brought("p", StoreKind("shelf", lambda: Settings, shelf))}}, store={"shelf": {}})
    with pytest.raises(wanted, match=message):
        await parts.store()
    await parts.close()


async def test_what_no_loaded_plugin_brings_is_named(make: Callable[..., PluginParts]) -> None:
    with pytest.raises(PluginFault, match=r"management\.store\.shelf"):
        await make({}, store={"shelf": {}}).store()


async def test_what_failed_is_opened_again_and_the_node_hears_of_it(
    make: Callable[..., PluginParts], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSES", (0.0,))
    opened: list[str] = []
    in_use = asyncio.Event()

    @asynccontextmanager
    async def pipe(_settings: None, services: PartServices) -> AsyncIterator[str]:
        opened.append("open")
        if len(opened) == 1:
            raise OSError("nobody listens")
        services.spawn(asyncio.sleep(3600), "beside")
        yield "pipe"
        opened.append("close")

    async def use(name: str, opened_as: str) -> None:
        assert (name, opened_as) == ("pipe", "pipe")
        if opened.count("open") == 2:
            raise HostError("it broke")
        in_use.set()
        await asyncio.Event().wait()

    parts = make({"exports": {"pipe": Brought("p", ExportKind("pipe", None, pipe))}}, exports={"pipe": {}})
    assert parts.run("exports", use) == ("pipe",)
    async with asyncio.timeout(60):
        await in_use.wait()
        while len(node.told) < 4:
            node.heard.clear()
            await node.heard.wait()
    assert [problem for _, _, problem in node.told][1:] == ["", "it broke", ""]
    assert "nobody listens" in node.told[0][2]
    await parts.close()
    assert opened.count("open") == 3


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt(), None])
async def test_what_ends_without_being_told_to_is_trouble_and_opened_again(
    make: Callable[..., PluginParts], node: Node, monkeypatch: pytest.MonkeyPatch, raised: BaseException | None
) -> None:
    """A library may cancel what is waited for, call `sys.exit`, or swallow what its use failed with."""
    monkeypatch.setattr(module, "PAUSES", (0.0,))
    in_use = asyncio.Event()
    uses = 0

    @asynccontextmanager
    async def pipe(_settings: None, _services: PartServices) -> AsyncIterator[str]:
        try:
            yield "pipe"
        except OSError:
            return

    async def use(_name: str, _opened: str) -> None:
        nonlocal uses
        uses += 1
        if uses == 1:
            raise raised or OSError("swallowed")
        in_use.set()
        await asyncio.Event().wait()

    parts = make({"exports": {"pipe": Brought("p", ExportKind("pipe", None, pipe))}}, exports={"pipe": {}})
    parts.run("exports", use)
    async with asyncio.timeout(60):
        await in_use.wait()
    await parts.close()
    problems = [problem for _, _, problem in node.told if problem]
    assert len(problems) == 1
    assert (type(raised).__name__ if raised else "ended") in problems[0]


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), SystemExit(1)])
async def test_a_store_that_gives_up_while_it_opens_is_named(make: Callable[..., PluginParts], raised: BaseException) -> None:
    @asynccontextmanager
    async def shelf(_settings: Settings, _services: PartServices) -> AsyncIterator[MemoryStore]:
        raise raised
        yield

    parts = make({"store": {"shelf": Brought("p", StoreKind("shelf", lambda: Settings, shelf))}}, store={"shelf": {}})
    with pytest.raises(PluginFault, match=type(raised).__name__):
        await parts.store()
    await parts.close()


async def test_what_a_store_tells_of_itself_is_told_by_its_name(make: Callable[..., PluginParts]) -> None:
    @asynccontextmanager
    async def shelf(_settings: None, _services: PartServices) -> AsyncIterator[MemoryStore]:
        yield MemoryStore(clock=wall)

    parts = make({"store": {"shelf": Brought("p", StoreKind("shelf", None, shelf))}}, store={"shelf": {}})
    assert parts.figures() == {}
    store = await parts.store()
    assert store is not None
    await store.commit(Put("s", "k", b"v"))
    assert parts.figures()["store.shelf"]["commits"] == 1
    await parts.close()
    assert parts.figures() == {}
