"""Fifty peers at once: all get their session, nothing is left of them when they go, and they may come again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.crowded import Crowded, Usage

pytestmark = pytest.mark.netns
SESSIONS = 50
TALKING, ECHOES = 120, 25
UDP_DESCRIPTORS = 1
"""Of a peer that came in through a listener, in each of the two processes."""
PASSING = 8
"""Of a caller, and of a child that looks at the host: they come and go."""
ROOM_BYTES = 115_000
"""For a session, in both processes together: a thousand in 115 MB."""
WARM_BYTES = 4 << 20
"""What the first handshakes load and allocate, whatever their number."""


def descriptors(usage: dict[str, Usage]) -> dict[str, int]:
    return {role: used.descriptors for role, used in usage.items()}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_crowd_comes_and_goes_and_comes_again(tmp_path: Path, transport: str) -> None:
    with Crowded(tmp_path, sessions=SESSIONS, peers=300, transport=transport, limit=SESSIONS) as crowded:
        before = crowded.usage()
        for _ in range(3):
            assert crowded.connect()["connected"] == SESSIONS
            status = crowded.status()
            assert len(status["sessions"]) == SESSIONS
            during = crowded.usage()
            for role in during:
                assert during[role].descriptors <= before[role].descriptors + SESSIONS * UDP_DESCRIPTORS + PASSING
            grown = sum(during[role].own - before[role].own for role in during)
            assert grown < WARM_BYTES + SESSIONS * ROOM_BYTES
            crowded.leave()
            while crowded.status()["sessions"]:
                pass
            crowded.again()
        after = descriptors(crowded.usage())
        assert all(after[role] <= used + PASSING for role, used in descriptors(before).items())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_more_than_a_hundred_sessions_carry_traffic_at_the_same_time(tmp_path: Path, transport: str) -> None:
    with Crowded(tmp_path, sessions=TALKING, transport=transport) as crowded:
        assert crowded.connect()["connected"] == TALKING
        assert crowded.echo(ECHOES) == {"answered": TALKING * ECHOES, "wrong": 0}
        sessions = crowded.status()["sessions"]
        assert len(sessions) == TALKING
        assert all(session["rx_packets"] >= ECHOES <= session["tx_packets"] for session in sessions)
