"""A peer with keys and a session sends every kind of garbage: its node goes on, others notice nothing, nobody else is hit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.crowded import Crowded

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

SEEDS = range(20261127, 20261132)
PEERS = 4
LOST = 0.01
MEMORY_BYTES = 10_000_000
AMPLIFICATION = 3
SPOKEN = {"question-and-answer": {"facts": {"moon": "full"}}}
TALKED = {"control-flood", "control-reused", "control-repeated", "control-unasked", "malformed"}
"""What a peer that says nonsense is counted for."""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_garbage_with_keys_harms_nobody(tmp_path: Path, long_form: bool, transport: str) -> None:
    seeds, count = (SEEDS, 30_000) if long_form else (SEEDS[:1], 1500)
    with Crowded(
        tmp_path, sessions=PEERS, transport=transport, rate=200, more=", compression: zstd", protocols=SPOKEN
    ) as crowded:
        assert crowded.connect()["connected"] == PEERS
        pids, before = crowded.pids(), sum(usage.rss for usage in crowded.usage().values())
        for seed in seeds:
            beside = crowded.harass(seed, count)
            assert beside["sent"] > 0
            assert beside["answered"] >= (1 - LOST if long_form else 0.5) * beside["sent"], seed
            assert beside["kept"] == beside["of"] == PEERS - 1
            assert beside["spoofed"] == 0, "an answer to a made-up source"
            assert beside["reflected"] > 0 or transport == "tcp"
            assert beside["came"] <= AMPLIFICATION * beside["reflected"]
        assert crowded.pids() == pids, "no process was started anew"
        assert sum(usage.rss for usage in crowded.usage().values()) - before < MEMORY_BYTES
        assert set(crowded.status()["drops"]) >= {"malformed", "bad_source"}
        assert not long_form or set(crowded.status()["handshakes"]) >= TALKED
        spoken = crowded.status()["protocols"]["question-and-answer"]
        # In its short form little is said on a stream before the first garbage between two records ends it.
        assert spoken["received"] > spoken.get("answered", 0) or (transport == "tcp" and not long_form)
    said = (tmp_path / "node.log").read_text()
    assert "Traceback" not in said
    assert "exception" not in said
