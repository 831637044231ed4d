from __future__ import annotations

from typing import Any

from appliance.cli.peers import peers_text


def peer(**more: Any) -> dict[str, Any]:
    return {"name": "laptop", "origin": "member", "connected": False, "last_error": "", "endpoint": "", "rtt_ms": None} | more


def test_nobody() -> None:
    assert peers_text([]) == "this node has no peers"


def test_one_that_is_reached_directly_and_one_by_a_relay() -> None:
    there = {"connected": True, "since_s": 65, "endpoint": "udp://192.0.2.1:8443", "rtt_ms": 1.5}
    text = peers_text(
        [
            peer(**there, path="direct", path_since_s=7, why="", standing="alive", expires="2027-01-01T00:00:00.000Z"),
            peer(**there, name="phone", path="relayed", path_since_s=60, why="no probe came back yet"),
        ]
    )
    first, second = text.splitlines()[-2:]
    assert "direct for 7.0s" in first
    assert "1.5 ms" in first
    assert first.endswith("2027-01-01")
    assert "relayed for 1min" in second
    assert "(no probe came back yet)" in second


def test_which_better_transports_it_does_not_go_by() -> None:
    long = "the certificate of office.example is not accepted (it expired last year)"
    over = [("udp://192.0.2.1:1", "timeout"), ("udp://[2001:db8::1]:1", "timeout"), ("quic://192.0.2.1:443", long)]
    there = peer(
        connected=True,
        since_s=65,
        endpoint="tcp://192.0.2.1:1",
        passed_over=[{"endpoint": endpoint, "reason": reason} for endpoint, reason in over],
    )
    told = "tcp://192.0.2.1:1 (not udp: timeout; quic: the certificate of office.example is no…)"
    assert told in peers_text([there])


def test_what_is_known_of_one_that_is_away() -> None:
    text = peers_text(
        [
            peer(standing="dead", path=None),
            peer(name="phone", standing="alive"),
            peer(name="desk", not_taken="its name is taken"),
            peer(name="hub", last_error="timed out"),
        ]
    )
    dead, alive, refused, hub = text.splitlines()[-4:]
    assert "not connected; dead" in dead
    assert "not connected " in alive
    assert "alive" not in alive
    assert "not taken: its name is taken" in refused
    assert "not connected (timed out)" in hub
