"""What a plugin that runs beside the node sees of it."""

from __future__ import annotations

import asyncio
import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.events import ProfileChanged, SessionClosed
from appliance.api.node import Node, NodePeer
from appliance.api.values import Endpoint
from appliance.protocol.peer import Peer
from appliance.protocol.settings import PeerSettings
from appliance.runtime.node_view import NodeView, Seen
from appliance.runtime.peers.table import PeerEntry, PeerTable
from appliance.runtime.plugins.calls import PluginCalls
from appliance.testing.conformance.limits import missing

HUB = Endpoint("udp", "198.51.100.7", 8443)
NAMED = Endpoint("udp", "vpn.example", 8443)
PREFIX = ipaddress.ip_network("10.8.0.0/24")
GONE = SessionClosed("hub", "1", "idle")


@pytest.fixture
def seen() -> Any:
    hub, named = (Peer(PeerSettings(name, f"llp1:{name}", (at,))) for name, at in (("hub", HUB), ("named", NAMED)))
    hub.session = 3
    return Seen(
        profile=lambda: SimpleNamespace(name="office"),  # type: ignore[arg-type, return-value]
        identity="llp1:me",
        figures=SimpleNamespace(figures=lambda: "figures"),  # type: ignore[arg-type]
        driver=SimpleNamespace(subscribers=[], node=SimpleNamespace(peers={"hub": hub, "named": named})),  # type: ignore[arg-type]
        peers=PeerTable([PeerEntry("hub", "llp1:hub", allowed=(PREFIX,)), PeerEntry("named", "llp1:named")]),
    )


async def test_who_the_node_is_and_whom_it_knows(seen: Seen) -> None:
    view = NodeView(seen, PluginCalls(), "mine")
    assert not missing(view, Node)
    assert (view.name, view.identity, view.figures()) == ("office", "llp1:me", "figures")
    assert view.peers() == [
        NodePeer("hub", "llp1:hub", connected=True, endpoints=(HUB,), allowed=(PREFIX,)),
        NodePeer("named", "llp1:named", connected=False, endpoints=(NAMED,), allowed=()),
    ]
    assert view.peer("hub") == view.peers()[0]
    assert view.peer("stranger") is None


async def test_events_are_told_until_the_subscription_or_the_lifespan_ends(seen: Seen) -> None:
    view, one, other = NodeView(seen, PluginCalls(), "mine"), [], []
    end = view.subscribe(one.append)
    view.subscribe(other.append)
    (driver_tells,) = seen.driver.subscribers
    driver_tells(GONE)
    end()
    view.tell(ProfileChanged("office"))
    await view.close()
    view.tell(GONE)
    assert (one, other) == ([GONE], [GONE, ProfileChanged("office")])
    assert not seen.driver.subscribers


async def test_tasks_of_a_plugin_end_with_its_lifespan(seen: Seen) -> None:
    view, ended = NodeView(seen, PluginCalls(), "mine"), asyncio.Event()

    async def runs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    view.spawn(runs(), "runs")
    await view.sleep(0)
    await view.close()
    assert ended.is_set()


async def test_a_view_that_was_closed_is_told_nothing_and_kept_by_nobody(seen: Seen) -> None:
    views = [NodeView(seen, PluginCalls(), "mine", "route") for _ in range(3)]
    assert seen.views == views
    await views[1].close()
    await views[1].close()
    assert seen.views == [views[0], views[2]]
    assert len(seen.driver.subscribers) == 2
