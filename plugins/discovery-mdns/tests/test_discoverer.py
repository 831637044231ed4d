"""What is made of announcements, without a network: those of peers, of strangers, and of liars."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest

from appliance.api.values import Endpoint
from appliance.testing.discovery import FakeDiscoveryServices
from appliance_discovery_mdns import discoverer
from appliance_discovery_mdns.announcement import SERVICE, announced, properties
from appliance_discovery_mdns.discoverer import MOST_ASKING, MOST_STRANGERS, Mdns
from appliance_discovery_mdns.interfaces import Interface, near
from appliance_discovery_mdns.multicast import Heard, Trouble
from appliance_discovery_mdns.settings import MdnsSettings

PEER, OTHER = "llp1:" + "b" * 52, "llp1:" + "c" * 52
LAN = Interface("lan", 3, (ipaddress.ip_address("192.168.1.2"),), (ipaddress.ip_network("192.168.1.0/24"),))
HERE = Endpoint("udp", "192.168.1.7", 8443)


def heard(identity: str = PEER, *addresses: str, nonce: bytes = bytes(8)) -> Heard:
    said = properties(announced(identity, nonce, [("udp", 8443)]))
    return Heard({key.encode(): value.encode() for key, value in said.items()}, addresses or ("192.168.1.7",))


class Air:
    """What would be heard, by instance; who is not in it is silent until the test says so."""

    def __init__(self) -> None:
        self.said: dict[str, Heard] = {}
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.claimed = True
        self.announced = 0

    async def use(self, present: object) -> None:
        pass

    async def announce(self, said: object, present: object) -> None:
        self.announced += 1
        if self.claimed:
            raise Trouble("claimed")

    async def ask(self, instance: str) -> Heard | None:
        self.asked.append(instance)
        await self.open.wait()
        return self.said.get(instance)

    async def close(self) -> None:
        pass


class Story:
    """A discoverer in a network that the test owns."""

    def __init__(self) -> None:
        self.services = FakeDiscoveryServices({"laptop": ()})
        self.services.known = {"laptop": PEER}
        self.air = Air()
        self.looks = Mdns(self.services, MdnsSettings())
        self.looks._multicast = self.air  # type: ignore[assignment]
        self.looks._present = (LAN,)
        self.looks._use_peers()

    async def hear(self, instance: str, said: Heard | None = None) -> None:
        if said is not None:
            self.air.said[instance] = said
        self.looks._heard(instance, gone=False)
        if self.air.open.is_set():
            await asyncio.gather(*self.services._tasks)

    def told(self) -> list[tuple[str, str, float]]:
        news = []
        while not self.looks._news.empty():
            news += [(one.peer, str(one.endpoint), one.ttl) for one in self.looks._news.get_nowait()]
        return news


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    made = Story()
    yield made
    await made.services.close()
    assert made.services.failures == []


async def test_a_peer_is_found_and_forgotten_when_it_goes(story: Story) -> None:
    await story.hear("x", heard())
    assert story.told() == [("laptop", str(HERE), discoverer.TTL)]
    await story.hear("x", heard(PEER, "192.168.1.8"))
    assert story.told() == [("laptop", str(HERE), 0.0), ("laptop", "udp://192.168.1.8:8443", discoverer.TTL)]
    story.looks._heard("x", gone=True)
    assert story.told() == [("laptop", "udp://192.168.1.8:8443", 0.0)]


async def test_one_that_is_silent_is_forgotten(story: Story) -> None:
    await story.hear("x", heard())
    story.air.said.clear()
    await story.hear("x")
    assert story.told()[-1] == ("laptop", str(HERE), 0.0)
    assert story.looks.stats()["silent"] == 1


async def test_two_instances_of_one_peer_keep_what_one_of_them_still_says(story: Story) -> None:
    await story.hear("x", heard())
    await story.hear("y", heard(nonce=b"another!"))
    story.told()
    story.looks._heard("x", gone=True)
    assert story.told() == []


async def test_strangers_and_this_node_itself_are_no_news(story: Story) -> None:
    await story.hear("stranger", heard(OTHER))
    await story.hear("me", heard(story.services.identity))
    assert story.told() == []
    assert story.looks.stats()["strangers"] == 1


async def test_a_stranger_is_asked_again_when_it_may_be_a_peer(story: Story) -> None:
    await story.hear("x", heard(OTHER))
    story.services.known = {"laptop": PEER, "other": OTHER}
    story.services.peers = {"laptop": (), "other": ()}
    story.services.spawn(story.looks._follow_peers(), "peers")
    async with asyncio.timeout(60):
        assert (await story.looks._news.get())[0].peer == "other"


async def test_addresses_elsewhere_are_not_called(story: Story) -> None:
    await story.hear("x", heard(PEER, "203.0.113.9", "127.0.0.1", "10.8.0.2"))
    assert story.told() == []
    assert story.looks.stats()["elsewhere"] == 3


async def test_rubbish_is_counted(story: Story) -> None:
    await story.hear("x", Heard({b"v": b"9"}, ()))
    await story.hear("long" * 99 + SERVICE)
    assert story.looks.stats()["malformed"] == 2


async def test_a_flood_of_instances_is_bounded(story: Story) -> None:
    story.air.open.clear()
    for number in range(2 * MOST_STRANGERS):
        await story.hear(f"flood-{number}")
    await asyncio.sleep(0)
    assert len(story.air.asked) == MOST_ASKING
    stats = story.looks.stats()
    assert (stats["too-many"], stats["strangers"]) == (2 * MOST_STRANGERS - MOST_ASKING, MOST_STRANGERS)


async def test_trouble_is_told_and_it_is_tried_again(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour may claim the name of the announcement, which nobody can have taken by chance."""
    monkeypatch.setattr(discoverer.interfaces, "interfaces", lambda _overlay, _wanted: (LAN,))
    story.services.listens = (HERE._replace(host="0.0.0.0"),)
    story.looks._present = ()
    await story.looks._try_to_look()
    assert story.services.reported == ["multicast does not work: claimed"]
    story.air.claimed = False
    await story.looks._try_to_look()
    assert story.services.reported[-1] == ""
    await story.looks._try_to_look()
    assert story.air.announced == 2, "there is nothing new to say"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.168.1.7", True), ("192.168.2.7", False), ("fe80::1%lan", False), ("224.0.0.1", False), ("0.0.0.0", False)],
)
def test_near(address: str, expected: bool) -> None:
    assert near(address, [LAN]) is expected


def test_only_ports_that_the_networks_reach_are_announced() -> None:
    services = FakeDiscoveryServices({})
    services.listens = (
        Endpoint("udp", "0.0.0.0", 8443),
        Endpoint("tcp", "192.168.1.2", 443),
        Endpoint("tcp", "198.51.100.1", 444),
        Endpoint("wss", "0.0.0.0", 445),
    )
    assert Mdns(services, MdnsSettings())._listening([LAN]) == (("udp", 8443), ("tcp", 443))
