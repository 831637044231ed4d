"""The parts of an API server: what begins before what, and the other way round at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.api.profile_management import Management
from appliance.api_server.analytics.sampler import Sampler
from appliance.api_server.jobs.part import JobsPart
from appliance.api_server.kept import Kept
from appliance.api_server.node_link import Settings
from appliance.api_server.parts import Parts
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints
from appliance.api_server.reviews.reviews import Reviews
from appliance.management.analytics import rules
from appliance.store.sqlite import SqliteStore
from tests.rigs.whole_api import Node


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what begins and ends, as it does."""
    happened: list[str] = []

    def noted(owner: type, method: str, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, method)

        def call(*args: Any, **more: Any) -> Any:
            happened.append(name)
            return original(*args, **more)

        monkeypatch.setattr(owner, method, call)

    for owner, method, name in (
        (Kept, "__init__", "store and users"),
        (JobsPart, "open", "jobs and events"),
        (Sampler, "start", "figures and advice"),
        (Reviews, "recover", "reviews"),
        (Sampler, "close", "no figures"),
        (JobsPart, "close", "no jobs"),
        (PluginParts, "end_tasks", "no exports"),
        (Kept, "close", "no users"),
        (SqliteStore, "close", "no store"),
    ):
        noted(owner, method, name)
    return happened


async def test_parts_begin_in_the_order_of_what_they_need_and_end_the_other_way_round(tmp_path: Path, order: list[str]) -> None:
    parts = await opened(tmp_path)
    assert order == ["store and users", "jobs and events", "figures and advice", "reviews"]
    order.clear()
    await parts.close()
    assert order == ["no figures", "no jobs", "no exports", "no users", "no store"]


async def test_what_the_api_server_is_short_of_is_watched_beside_what_the_node_is(tmp_path: Path) -> None:
    parts = await opened(tmp_path)
    assert "short of" not in str(await parts.figures_of_all())
    parts.short = lambda: {"memory": "31 MiB of memory can still be had"}
    (found,) = rules.limits(await parts.figures_of_all(), 0.0)
    assert (found.rule, found.label) == ("host-short", "memory of the API server")
    await parts.close()


async def opened(folder: Path) -> Parts:
    node: Any = Node()
    management = Management()
    settings = Settings("mock", "0" * 64, "1.0", management.model_dump(mode="json"))
    joints = Joints(settings.name, settings.identity, node, folder / "plugins", {})
    return await Parts.open(folder, settings, node, {}, PluginParts({}, management, joints))
