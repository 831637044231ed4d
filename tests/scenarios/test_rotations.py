"""A hundred rotations under load, over both transports: every packet arrives, once and in order."""

from __future__ import annotations

from typing import Any

import pytest
from rigs.labs import pair
from rigs.numbered import DATAGRAM_BYTES, Numbered

from appliance.lab.engine import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

ROTATIONS = 100
ROTATE_BYTES = 16_384
TURN = 500
"""Datagrams between two looks at the sessions."""
EXCHANGES = 5
RUINOUS = {"bad_tag", "replayed", "reassembly", "exhausted", "no_session", "unknown_session", "congested", "oversized"}
"""Reasons that would mean a packet lost by a rotation."""


def lab(transport: str, rotate: dict[str, Any]) -> Lab:
    both = {"crypto": {"rotate": rotate}}
    return Lab(pair(endpoints=(f"{transport}://right:8443",), listen=(f"{transport}://0.0.0.0:8443",), both=both))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_hundred_rotations_by_bytes_lose_and_double_nothing(transport: str) -> None:
    async with lab(transport, {"bytes": ROTATE_BYTES}) as running:
        left, right = running.host("left"), running.host("right")
        sessions = {left.sessions()["right"]["session"], right.sessions()["left"]["session"]}
        with Numbered(left, right) as numbered:
            while numbered.sent * DATAGRAM_BYTES < 2 * ROTATIONS * ROTATE_BYTES:
                numbered.send(TURN)
            ends = left.sessions()["right"], right.sessions()["left"]
            assert all(end["epoch"] >= ROTATIONS for end in ends)
            assert {end["session"] for end in ends} == sessions, "the same keys' descendants, not a new handshake"
            assert numbered.is_silent()
        for host in (left, right):
            assert not RUINOUS & set((host.status() or {})["drops"])
    assert running.left_behind == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_new_exchanges_under_load_lose_and_double_nothing(transport: str) -> None:
    async with lab(transport, {"after": "1s"}) as running:
        left, right = running.host("left"), running.host("right")
        seen: set[str] = set()
        with Numbered(left, right) as numbered:
            while len(seen) <= EXCHANGES:
                numbered.send(TURN)
                seen |= {session["session"] for host in (left, right) for session in host.sessions().values()}
            assert numbered.is_silent()
        assert not {"bad_tag", "replayed", "reassembly", "no_session"} & set((left.status() or {})["drops"])
    assert running.left_behind == []
