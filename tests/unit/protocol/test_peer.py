from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.protocol.peer import Peer
from appliance.protocol.settings import PeerSettings

ONE, TWO, NAMED = (Endpoint("udp", host, 8443) for host in ("198.51.100.1", "2001:db8::1", "vpn.example"))


def peer(*endpoints: Endpoint) -> Peer:
    return Peer(PeerSettings("b", "llp1:…", endpoints))


def test_names_wait_for_discovery() -> None:
    assert peer(NAMED).endpoints == ()
    assert peer(NAMED, ONE).endpoints == (ONE,)
    named = peer(NAMED)
    named.reach_at([TWO])
    named.configure(PeerSettings("b", "llp1:…", (NAMED,), keepalive=1.0))
    assert named.endpoints == (TWO,)


def test_untried_endpoints_come_without_a_pause() -> None:
    both = peer(ONE, TWO)
    assert both.next_endpoint == ONE
    both.failed(0.0, "timeout")
    assert both.next_endpoint == TWO
    assert both.pause(0.0, 0.5) == 0.0
    both.failed(1.0, "timeout")
    assert both.next_endpoint == ONE
    assert both.pause(1.0, 0.5) == 0.25


def test_pauses_grow_and_are_spread() -> None:
    one = peer(ONE)
    pauses = []
    for _ in range(6):
        one.failed(0.0, "timeout")
        pauses.append(one.pause(10.0, 0.5))
    assert pauses == [0.25, 0.5, 1.0, 1.5, 1.5, 1.5]
    assert one.pause(10.0, 0.0) == 1.5 * 0.75
    for _ in range(10):
        one.failed(0.0, "timeout")
    assert one.pause(1000.0, 0.5) == 30.0
    one.reached()
    one.failed(2000.0, "timeout")
    assert one.pause(2000.0, 0.5) == 0.25


def test_why_an_attempt_failed_is_known_of_each_endpoint_until_it_is_none_any_more() -> None:
    both = peer(ONE, TWO)
    both.failed(0.0, "timeout")
    both.failed(1.0, "refused")
    assert (both.tried(ONE), both.tried(TWO)) == ("timeout", "refused")
    both.reach_at([TWO])
    both.reach_at([TWO, ONE])
    assert (both.tried(ONE), both.tried(TWO)) == ("", "refused")


def test_what_is_better_than_the_endpoint_in_use_is_told_with_its_reason() -> None:
    best, middle, last = (Endpoint(scheme, "198.51.100.1", 8443) for scheme in ("udp", "quic", "tcp"))
    other = peer(best, middle, last)
    other.failed(0.0, "timeout")
    other.failed(1.0, "it does not answer")
    other.reached()
    assert other.passed_over(last) == [(best, "timeout"), (middle, "it does not answer")]
    assert other.passed_over(middle) == [(best, "timeout")]
    assert other.passed_over(best) == []
    assert other.passed_over(TWO) == [], "it called us"
    assert other.passed_over(None) == []
