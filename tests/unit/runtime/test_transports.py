"""Listening, dialling and handing over, with the real UDP and TCP on the loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress

import pytest

from appliance.api.profile import Section
from appliance.api.transport import Adopted, SocketAddress, Transport, TransportServices
from appliance.api.values import Endpoint
from appliance.errors import HostError
from appliance.runtime.links.table import Link, Links
from appliance.runtime.links.transports import ACCEPTS, Transports
from appliance_transport_ip.plugin import TCP, UDP


class Heard:
    """What the listener was told."""

    def __init__(self) -> None:
        self.links: asyncio.Queue[tuple[Link, str | None]] = asyncio.Queue()
        self.dropped: list[int] = []
        self.failed: asyncio.Queue[tuple[str, Endpoint, str]] = asyncio.Queue()
        self.welcome = True
        self.asked = 0
        self.no_room = False

    def may_come(self, source: SocketAddress) -> bool:
        self.asked += 1
        return self.welcome

    def full(self) -> bool:
        return self.no_room

    def on_link(self, link: Link, peer: str | None) -> None:
        self.links.put_nowait((link, peer))

    def on_link_dropped(self, number: int) -> None:
        self.dropped.append(number)

    def on_dial_failed(self, peer: str, endpoint: Endpoint, reason: str) -> None:
        self.failed.put_nowait((peer, endpoint, reason))


class Rig:
    def __init__(self) -> None:
        self.heard = Heard()
        self.links = Links()
        self.transports = Transports({"udp": UDP, "tcp": TCP}, self.links, self.heard, None)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.transports.close()
    made.links.close()


def free(scheme: str, host: str = "127.0.0.1") -> Endpoint:
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return Endpoint(scheme, host, probe.getsockname()[1])


async def test_a_datagram_listener_is_a_link_and_a_stream_listener_is_none(rig: Rig) -> None:
    udp, tcp = free("udp"), free("tcp")
    await rig.transports.listen([udp, tcp])
    assert list(rig.transports.bound.values()) == [udp, tcp]
    link, peer = rig.heard.links.get_nowait()
    assert (link.listener, link.local, peer) == (True, udp, None)
    assert rig.heard.links.empty()


async def test_who_is_dialled_and_who_calls(rig: Rig) -> None:
    tcp = free("tcp")
    await rig.transports.listen([tcp])
    rig.transports.dial("b", tcp)
    both = [await rig.heard.links.get(), await rig.heard.links.get()]
    assert sorted(peer or "" for _, peer in both) == ["", "b"]


async def test_listening_changes_by_difference(rig: Rig) -> None:
    first, second = free("udp"), free("udp")
    await rig.transports.listen([first])
    link, _ = rig.heard.links.get_nowait()
    await rig.transports.listen([first, second])
    await rig.transports.listen([second])
    assert rig.heard.dropped == [link.number]
    assert list(rig.transports.bound) == [second]


async def test_a_port_in_use_is_named_and_nothing_changes(rig: Rig) -> None:
    kept, fresh, taken = free("udp"), free("udp"), free("tcp")
    await rig.transports.listen([kept])
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as rival:
        rival.bind((taken.host, taken.port))
        rival.listen()
        with pytest.raises(HostError, match=f"port {taken.port} is in use"):
            await rig.transports.listen([fresh, taken])
    assert list(rig.transports.bound) == [kept]
    assert [link.local for link in rig.links] == [kept]


async def test_an_address_that_is_not_ours_is_named(rig: Rig) -> None:
    with pytest.raises(HostError, match=r"no address 192\.0\.2\.77"):
        await rig.transports.listen([Endpoint("udp", "192.0.2.77", 8443)])


async def test_a_dial_that_fails_says_why(rig: Rig) -> None:
    nobody = free("tcp")
    rig.transports.dial("b", nobody)
    assert await rig.heard.failed.get() == ("b", nobody, "connection refused")
    rig.transports.dial("b", Endpoint("pigeon", "127.0.0.1", 1))
    assert "pigeon" in (await rig.heard.failed.get())[2]


async def test_what_reaches_a_peer_and_gives_no_socket_is_named(rig: Rig) -> None:
    class Forgetful:
        def __init__(self, _settings: object, _services: object) -> None:
            """Nothing is kept."""

        async def dial(self, to: Endpoint, timeout: float) -> int:
            return 1

        async def close(self) -> None:
            """Nothing was opened."""

    transports = Transports({"udp": UDP._replace(open=Forgetful)}, rig.links, rig.heard, None)  # type: ignore[arg-type]
    at = free("udp")
    transports.dial("b", at)
    assert (await rig.heard.failed.get())[2].endswith("transport udp: dial returned int, wanted Adopted")
    await transports.close()


async def test_a_peer_that_came_in_gets_a_socket_of_its_own(rig: Rig) -> None:
    udp = free("udp")
    await rig.transports.listen([udp])
    listener, _ = rig.heard.links.get_nowait()
    link = await rig.transports.connect(listener, ("127.0.0.1", 9))
    assert link is not None
    assert (link.local, link.remote, link.listener) == (udp, Endpoint("udp", "127.0.0.1", 9), False)
    assert rig.heard.links.empty(), "we announce it ourselves"


async def test_an_address_inside_the_tunnel_is_not_dialled(rig: Rig) -> None:
    def refuses(hosts: Sequence[str], endpoint: str, peer: str) -> dict[str, str]:
        assert (endpoint, peer) == (str(inside), "b")
        return dict.fromkeys(hosts, "it goes round")

    inside = free("udp")
    transports = Transports({"udp": UDP}, rig.links, rig.heard, None, refuses=refuses)
    transports.dial("b", inside)
    assert await rig.heard.failed.get() == ("b", inside, "it goes round")
    assert not len(rig.links)
    await transports.close()


async def test_sockets_are_marked_before_they_are_bound_and_connected(rig: Rig) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        except PermissionError:
            pytest.skip("marking takes CAP_NET_ADMIN")
    transports = Transports({"udp": UDP, "tcp": TCP}, rig.links, rig.heard, None, 4214)
    udp, tcp = free("udp"), free("tcp")
    await transports.listen([udp, tcp])
    transports.dial("b", udp)
    transports.dial("b", tcp)
    for _ in range(4):  # the listener's, two that were dialled, one that was accepted
        link, _ = await rig.heard.links.get()
        assert link.sock is not None
        assert link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) == 4214
    await transports.close()


async def test_a_flood_of_connections_leaves_turns_to_others(rig: Rig) -> None:
    tcp = free("tcp")
    await rig.transports.listen([tcp])
    rig.heard.welcome = False
    with ExitStack() as flood:
        for _ in range(10 * ACCEPTS):
            sock = flood.enter_context(socket.socket())
            sock.settimeout(0)
            with suppress(BlockingIOError):
                sock.connect((tcp.host, tcp.port))
        before = -ACCEPTS
        while rig.heard.asked < 10 * ACCEPTS:
            assert rig.heard.asked - before <= ACCEPTS
            before = rig.heard.asked
            await asyncio.sleep(0)
    assert rig.heard.links.empty()
    assert len(rig.links) == 0


async def test_while_there_are_too_many_strangers_connections_wait(rig: Rig) -> None:
    tcp = free("tcp")
    await rig.transports.listen([tcp])
    rig.heard.no_room = True
    with socket.create_connection((tcp.host, tcp.port)):
        for _ in range(100):
            await asyncio.sleep(0)
        assert rig.heard.asked == 0
        rig.heard.no_room = False
        with socket.create_connection((tcp.host, tcp.port)):
            assert {(await rig.heard.links.get())[1], (await rig.heard.links.get())[1]} == {None}


async def test_an_endpoint_without_an_address_is_dialled_as_it_is() -> None:
    dialled: list[Endpoint] = []

    class Relay:
        async def dial(self, to: Endpoint, timeout: float) -> Adopted:
            dialled.append(to)
            raise OSError("nobody is there")

        async def close(self) -> None: ...

    def refuses(hosts: Sequence[str], endpoint: str, peer: str) -> dict[str, str]:
        raise AssertionError("there is no address to judge")

    def relay(_settings: None, _services: TransportServices) -> Transport:
        return Relay()  # type: ignore[return-value]

    heard, links = Heard(), Links()
    transports = Transports({"relay": TCP._replace(name="relay", open=relay)}, links, heard, None, refuses=refuses)
    at = Endpoint.parse("relay://llp1:abc")
    transports.dial("b", at)
    assert await heard.failed.get() == ("b", at, "nobody is there")
    assert dialled == [at]
    await transports.close()
    links.close()


class Loud(Section):
    """Settings of a transport."""

    level: int = 1


async def test_a_transport_is_opened_with_its_settings_and_anew_when_they_change() -> None:
    opened: list[int] = []

    def loud(settings: Loud, services: TransportServices) -> Transport:
        opened.append(settings.level)
        if settings.level == 99:
            raise OSError("too loud")
        return TCP.open(None, services)

    heard, links = Heard(), Links()
    kinds = {"tcp": TCP._replace(settings=lambda: Loud, open=loud)}
    transports = Transports(kinds, links, heard, None, settings={"tcp": {"level": 2}})
    at = free("tcp")
    await transports.listen([at])
    transports.dial("b", at)
    for _ in range(2):  # who calls, and who is called
        await heard.links.get()
    await transports.listen([at])
    assert opened == [2, 2], "once to listen, once to dial, and not again while nothing changes"
    transports.settings = {"tcp": {"level": 3}}
    await transports.listen([at])
    transports.dial("b", at)
    for _ in range(2):
        await heard.links.get()
    assert opened == [2, 2, 3, 3]
    transports.settings = {"tcp": {"level": 99}}
    with pytest.raises(HostError, match="transport tcp cannot be opened: too loud"):
        await transports.listen([at])
    assert list(transports.bound) == [at], "it listens as before"
    assert opened[-1] == 3
    await transports.close()
    links.close()
