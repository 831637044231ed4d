"""The router of a profile: opened with its settings, asked again when it wishes, closed with what it runs."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.api.profile import Profile, Section
from appliance.api.routing import Route, RoutingKind, RoutingServices, RoutingView
from appliance.errors import PluginFault
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.peers.router import open_router
from appliance.runtime.plugins.calls import PluginCalls
from tests.rigs.tables import Tables, table_of

PREFIX = ipaddress.ip_network("10.1.0.0/16")


class Settings(Section):
    """How far the router looks."""

    hops: int = 1


class Fed:
    """A router that says what it was told last."""

    def __init__(self, settings: Settings, services: RoutingServices) -> None:
        self.settings = settings
        self.services = services
        self.known = [PREFIX]
        self.ended = asyncio.Event()
        services.spawn(self._listen(), "listen")

    def routes(self, view: RoutingView) -> Iterator[Route]:
        return (Route(prefix, "a") for prefix in self.known)

    async def _listen(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


def profile(**routing: Any) -> Profile:
    peer = {"name": "a", "identity": "llp1:" + "a" * 52, "allowed": [str(PREFIX)]}
    network = {"addresses": ["10.0.0.1/24"]}
    return Profile.model_validate({"profile": 1, "network": network, "peers": [peer], "routing": routing})


async def test_a_router_asks_to_be_asked_again_and_withdraws_its_routes() -> None:
    made: list[Fed] = []
    kind = RoutingKind("fed", lambda: Settings, lambda settings, services: made.append(Fed(settings, services)) or made[-1])
    wishes: list[str] = []
    router = open_router({"fed": kind}, profile(kind="fed", fed={"hops": 3}), PluginCalls(), lambda: wishes.append("again"))
    (fed,) = made
    assert fed.settings == Settings(hops=3)
    made_of, worker = profile(kind="fed"), Tables()
    forwarding = Forwarding(router, made_of, table_of(made_of), frozenset, lambda: worker)
    forwarding.introduce(worker)
    forwarding.begin(worker)
    assert worker.routes == {PREFIX: "a"}
    fed.known.clear()
    fed.services.changed()
    assert wishes == ["again"]
    forwarding.ask()
    assert worker.routes == {}, "what is in the table no more is withdrawn"
    await asyncio.sleep(0)
    await forwarding.close()
    assert fed.ended.is_set()
    fed.services.changed()
    assert wishes == ["again"], "one that was closed has no wishes"


async def test_settings_that_do_not_fit_are_the_plugins_fault() -> None:
    kind = RoutingKind("fed", lambda: Settings, Fed)
    with pytest.raises(PluginFault, match="routing fed: open raised ValidationError"):
        open_router({"fed": kind}, profile(kind="fed", fed={"hops": "x"}), PluginCalls(), lambda: None)


async def test_another_router_takes_over_and_the_one_before_ends() -> None:
    made: list[Fed] = []
    kind = RoutingKind("fed", lambda: Settings, lambda settings, services: made.append(Fed(settings, services)) or made[-1])
    first, second = (open_router({"fed": kind}, profile(kind="fed"), PluginCalls(), lambda: None) for _ in range(2))
    forwarding = Forwarding(first, profile(kind="fed"), table_of(profile(kind="fed")), frozenset, lambda: None)
    await asyncio.sleep(0)
    forwarding.use(profile(kind="fed"), second)
    await made[0].ended.wait()
    assert not made[1].ended.is_set()
    await forwarding.close()
    assert made[1].ended.is_set()
