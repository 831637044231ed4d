"""A node under a flood of hellos and of connections: peers get in, sessions go on, the admin is answered, memory stays.

`make chaos` measures a quiet node and the same node under attack, and holds the latter to the bars. The short form does
everything once and judges no time.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.rigs.crowd import PATIENCE
from tests.rigs.crowded import Crowded

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

HELLOS, CONNECTS = 10_000, 2_000
"""A second."""
HANDSHAKE_SECONDS, STATUS_SECONDS, LOST, MEMORY_BYTES = 2.0, 0.3, 0.01, 10_000_000
"""The bars: 95 of 100 handshakes, each answer, the share of echoes, and what the node's processes may grow by."""
OLD, NEW = 8, 20
"""Peers that have a session before, and that call meanwhile: half by UDP, half by TCP, from another /24 each."""
HEAD_START = 1.0
ASK_EVERY = 0.2


class Siege(NamedTuple):
    """What was seen of the node, and what the attacker did."""

    took: list[float]
    asked: list[float]
    sent: int
    answered: int
    kept: bool
    grown: int
    flood: dict[str, float]

    @property
    def late(self) -> float:
        """Seconds within which 95 of 100 handshakes were done."""
        return sorted(self.took)[len(self.took) * 95 // 100]

    def __str__(self) -> str:
        return (
            f"{self.flood['hellos']} hellos, {self.flood['connects']} connects: handshakes p95 {self.late:.3f} s, "
            f"status at most {max(self.asked):.3f} s, {self.answered} of {self.sent} echoes, memory {self.grown / 1e6:+.1f} MB"
        )


@pytest.mark.parametrize("kind", ["hellos", "mixed"])
def test_peers_get_in_and_sessions_go_on_through_a_flood(tmp_path: Path, long_form: bool, kind: str) -> None:
    """`mixed`: with every other packet that a stranger may send."""
    if kind == "mixed" and not long_form:
        pytest.skip("part of the long form; tests/unit/worker/test_gate.py has each kind")
    seconds, new = (30.0, NEW) if long_form else (3.0, 4)
    with Crowded(tmp_path, sessions=OLD + 2 * new, transport="udp,tcp", rate=200) as crowded:
        crowded.live(OLD, 1.0)
        quiet = besiege(crowded, new, seconds, 0, 0, kind)
        flooded = besiege(crowded, new, seconds, HELLOS, CONNECTS, kind)
        status = crowded.status()
    print(f"quiet:   {quiet}\nflooded: {flooded}")
    assert min(flooded.flood["hellos"] / HELLOS, flooded.flood["connects"] / CONNECTS) > seconds / 2, "that was no flood"
    assert max(quiet.took + flooded.took) < PATIENCE, "all got in"
    assert quiet.kept
    assert flooded.kept
    assert flooded.grown < MEMORY_BYTES
    assert status["drops"]["uninvited"] > flooded.flood["hellos"] / 2
    assert status["handshakes"].get("cookie-sent", 0) < 1000, "the flood did not reach the control process"
    if long_form:
        assert flooded.late < HANDSHAKE_SECONDS
        assert max(flooded.asked) < STATUS_SECONDS
        assert flooded.answered >= (1 - LOST) * flooded.sent


def besiege(crowded: Crowded, new: int, seconds: float, hellos: int, connects: int, kind: str) -> Siege:
    """Let `new` peers call and the others send echoes, while the status is asked for, under such a flood."""
    before = memory(crowded)
    asked: list[float] = []
    over = threading.Event()
    admin = threading.Thread(target=ask, args=(crowded, asked, over))
    with crowded.flood(seconds + 2 * HEAD_START, hellos, connects, kind) as flood:
        over.wait(HEAD_START)
        admin.start()
        try:
            lived: dict[str, Any] = crowded.live(new, seconds)
        finally:
            over.set()
            admin.join()
        grown = memory(crowded) - before
        did = json.loads(flood.communicate(timeout=60)[0])
    return Siege(lived["took"], asked, lived["sent"], lived["answered"], lived["kept"] == lived["of"], grown, did)


def ask(crowded: Crowded, asked: list[float], over: threading.Event) -> None:
    while not over.is_set():
        asked.append(crowded.asked())
        over.wait(ASK_EVERY)


def memory(crowded: Crowded) -> int:
    return sum(usage.rss for usage in crowded.usage().values())
