"""Rounds over a bootstrap list, with a clock and a DNS that the test owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from appliance.api.discovery import Candidate, DiscoveryKind
from appliance.api.kinds import settings_of
from appliance.api.values import Endpoint
from appliance.testing.discovery import FakeDiscoveryServices
from appliance_discovery_bootstrap.plugin import appliance_discovery

A = Endpoint("udp", "198.51.100.1", 8443)
B = Endpoint("tcp", "2001:db8::2", 8443)
NAMED = Endpoint("udp", "vpn.example", 8443)


@pytest.fixture
def kind() -> DiscoveryKind:
    (found,) = appliance_discovery()
    return found


class Story:
    """A discoverer, read batch by batch."""

    def __init__(self, kind: DiscoveryKind, services: FakeDiscoveryServices, settings: Mapping[str, Any] | None = None) -> None:
        self.services = services
        self._stream: AsyncIterator[Sequence[Candidate]] = kind.open(settings_of(kind, settings or {}), services).candidates()

    async def batch(self) -> list[tuple[str, str]]:
        return [(candidate.peer, str(candidate.endpoint)) for candidate in await anext(self._stream)]

    async def raw(self) -> Sequence[Candidate]:
        return await anext(self._stream)


async def test_addresses_are_told_at_once_in_list_order(kind: DiscoveryKind) -> None:
    story = Story(kind, FakeDiscoveryServices({"hub": (A, B), "quiet": ()}))
    batch = await story.raw()
    assert [(c.peer, c.endpoint) for c in batch] == [("hub", A), ("hub", B)]
    assert batch[0].priority < batch[1].priority
    assert story.services.now == 0


async def test_a_name_becomes_all_its_addresses_in_the_order_of_the_system(kind: DiscoveryKind) -> None:
    services = FakeDiscoveryServices({"hub": (NAMED, A)}, names={"vpn.example": ["2001:db8::9", "192.0.2.9"]})
    story = Story(kind, services)
    (written,) = await story.raw()
    named = await story.raw()
    assert [str(c.endpoint) for c in named] == ["udp://[2001:db8::9]:8443", "udp://192.0.2.9:8443"]
    assert named[0].priority < named[1].priority < written.priority


async def test_it_refreshes_with_jitter_and_in_time(kind: DiscoveryKind) -> None:
    services = FakeDiscoveryServices({"hub": (NAMED,)}, names={"vpn.example": ["192.0.2.9"]})
    story = Story(kind, services, {"refresh": "100s"})
    (first,) = await story.raw()
    services.names["vpn.example"] = ["192.0.2.10"]
    assert await story.batch() == [("hub", "udp://192.0.2.10:8443")]
    assert 90 <= services.now <= 110
    assert first.ttl > services.now


async def test_each_round_begins_with_another_peer(kind: DiscoveryKind) -> None:
    story = Story(kind, FakeDiscoveryServices({"a": (A,), "b": (A,), "c": (A,)}))
    assert [[peer for peer, _ in await story.batch()] for _ in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


async def test_without_rotation_the_list_stays(kind: DiscoveryKind) -> None:
    story = Story(kind, FakeDiscoveryServices({"a": (A,), "b": (A,)}), {"rotate": False})
    assert [[peer for peer, _ in await story.batch()] for _ in range(2)] == [list("ab"), list("ab")]


async def test_only_the_listed_peers(kind: DiscoveryKind) -> None:
    story = Story(kind, FakeDiscoveryServices({"a": (A,), "b": (B,)}), {"peers": ["b"]})
    assert await story.batch() == [("b", str(B))]


async def test_a_missing_name_is_reported_asked_for_sooner_and_goes_to_the_back(kind: DiscoveryKind) -> None:
    other = Endpoint("udp", "other.example", 1)
    services = FakeDiscoveryServices({"gone": (NAMED,), "here": (other,)}, names={"other.example": ["192.0.2.1"]})
    story = Story(kind, services, {"rotate": False})
    assert await story.batch() == [("here", "udp://192.0.2.1:1")]
    assert len(services.reported) == 1
    assert "vpn.example" in services.reported[0]
    services.names["vpn.example"] = ["192.0.2.9"]
    assert [(await story.batch())[0][0], (await story.batch())[0][0]] == ["here", "gone"]
    assert services.now < 3
    assert [(await story.batch())[0][0], (await story.batch())[0][0]] == ["gone", "here"]
    assert services.now > 50


async def test_the_last_addresses_serve_on_while_dns_is_down(kind: DiscoveryKind) -> None:
    services = FakeDiscoveryServices({"hub": (NAMED,)}, names={"vpn.example": ["192.0.2.9"]})
    story = Story(kind, services)
    first = await story.batch()
    services.names.clear()
    assert await story.batch() == first


async def test_a_flood_of_addresses_is_cut(kind: DiscoveryKind) -> None:
    many = [f"192.0.2.{n}" for n in range(200)]
    story = Story(kind, FakeDiscoveryServices({"hub": (NAMED,)}, names={"vpn.example": many}))
    assert len(await story.raw()) == 16


async def test_a_changed_list_is_a_new_round_at_once(kind: DiscoveryKind) -> None:
    services = FakeDiscoveryServices({"a": (A,)})
    story = Story(kind, services)
    assert await story.batch() == [("a", str(A))]
    services.peers = {"a": (A,), "b": (B,)}
    assert {peer for peer, _ in await story.batch()} == {"a", "b"}
    assert services.now == 0, "nobody waited"


async def test_an_endpoint_that_has_no_address_is_told_as_it_is_and_a_name_keeps_its_authority(kind: DiscoveryKind) -> None:
    relay, web = Endpoint.parse("relay://llp1:abc"), Endpoint.parse("wss://vpn.example/path")
    services = FakeDiscoveryServices({"hub": (relay, web)}, names={"vpn.example": ["192.0.2.9"]})
    story = Story(kind, services)
    assert [candidate.endpoint for candidate in await story.raw()] == [relay]
    assert [candidate.endpoint for candidate in await story.raw()] == [web._replace(host="192.0.2.9")]
    assert services.reported == []
