"""Two nodes agree on compression inside their session, or do not; in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.agreeing import REPEATS
from appliance.protocol.events import Compress, ControlWaiting, SessionReady
from appliance.protocol.session import SessionState
from appliance.protocol.settings import PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, PORT, Pair, identity_of
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire.control import ControlMessage, encode
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType

HALF_A_MINUTE = 35.0


def peers(of: str, *, compression: bool) -> dict[str, Any]:
    """Settings of side `of`; a calls b."""
    peer = "b" if of == "a" else "a"
    endpoints = (Endpoint("udp", HOSTS["b"], PORT),) if of == "a" else ()
    return {"peers": (PeerSettings(peer, identity_of(peer).fingerprint, endpoints, compression=compression),)}


def pair(*, a: bool, b: bool, network: Network | None = None) -> Pair:
    return Pair(network, a=peers("a", compression=a), b=peers("b", compression=b))


def compressing(host: SimulatedHost) -> list[int]:
    return [event.session for event in host.events if isinstance(event, Compress)]


def said(host: SimulatedHost) -> int:
    """Control messages that `host` heard and that are not the core's own."""
    return sum(1 for event in host.events if isinstance(event, ControlWaiting))


def test_both_want_it_and_both_compress_after_a_round_trip() -> None:
    made = pair(a=True, b=True).connect()
    made.network.run(0.1)
    for host, name in ((made.a, "a"), (made.b, "b")):
        assert compressing(host) == [made.session(name).index]
        assert [event.compression for event in host.events if isinstance(event, SessionReady)] == [True]
    assert made.network.run_until(lambda: False, HALF_A_MINUTE) is False
    assert made.session("a").said == made.session("b").said == 0


@pytest.mark.parametrize(("a", "b"), [(True, False), (False, True), (False, False)])
def test_nobody_compresses_when_one_does_not_want_it(a: bool, b: bool) -> None:
    made = pair(a=a, b=b).connect()
    made.network.run(HALF_A_MINUTE)
    for host, name, wants in ((made.a, "a", a), (made.b, "b", b)):
        assert compressing(host) == []
        assert [event.compression for event in host.events if isinstance(event, SessionReady)] == [wants]
        assert made.session(name).said == (REPEATS if wants else 0)
    made.a.send("b", b"plain")
    made.network.run(1.0)
    assert made.b.received == [("a", b"plain")]


def test_who_does_not_want_it_says_nothing_even_when_asked() -> None:
    made = pair(a=True, b=False).connect()
    made.network.run(HALF_A_MINUTE)
    assert said(made.a) == said(made.b) == 0
    assert made.b.node.counters["malformed"] == 0


@pytest.mark.parametrize("seed", range(12))
def test_it_is_said_again_when_records_are_lost(seed: int) -> None:
    made = pair(a=True, b=True, network=Network(seed, loss=0.3)).connect()
    made.network.run(HALF_A_MINUTE)
    assert made.session("a").compressing
    assert made.session("b").compressing


def test_a_new_session_agrees_anew() -> None:
    made = Pair(a={**peers("a", compression=True), "rotate_after": 20.0}, b=peers("b", compression=True)).connect()
    made.network.run(30.0)
    assert len(compressing(made.a)) == len(compressing(made.b)) == 2
    assert made.session("a").compressing


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_changed_profile_makes_a_new_session(name: str, wanted: bool) -> None:
    made = pair(a=not wanted or name != "a", b=not wanted or name != "b").connect()
    made.network.run(HALF_A_MINUTE)
    host, before = (made.a if name == "a" else made.b), made.session(name)
    assert before.compressing is not wanted
    host.change_peer(*peers(name, compression=wanted)["peers"])
    for number in range(20):
        made.a.send("b", b"%d" % number)
        made.network.run(0.05)
    assert [body for _, body in made.b.received] == [b"%d" % number for number in range(20)]
    for side in ("a", "b"):
        assert made.session(side).index != before.index
        assert made.session(side).compressing is wanted
    assert before.state is not SessionState.ACTIVE


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"accepts": "zstd", "answer": True},
        {"accepts": ["zstd"]},
        {"accepts": ["zstd"], "answer": 1},
        {"accepts": {}, "answer": False},
    ],
)
def test_nonsense_is_counted_and_changes_nothing(content: dict[str, Any]) -> None:
    made = pair(a=True, b=False).connect()
    made.network.run(1.0)
    body = encode(ControlMessage("compression", content))
    made.a.node.handle_message(made.session("a").index, PacketType.DATA, CHANNEL_CONTROL, body, made.network.now)
    assert made.a.node.counters["malformed"] == 1
    assert not made.session("a").compressing


def test_another_way_of_compressing_is_not_ours() -> None:
    made = pair(a=True, b=False).connect()
    body = encode(ControlMessage("compression", {"accepts": ["lz4", 7], "answer": False, "more": 1}))
    made.a.node.handle_message(made.session("a").index, PacketType.DATA, CHANNEL_CONTROL, body, made.network.now)
    assert made.a.node.poll_event() is None
    assert not made.session("a").compressing
