"""A peer that sends requests as fast as its line allows: the node spends a bounded share on it, and nobody else notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.worker.talk import A_SECOND, AT_ONCE
from tests.rigs.crowded import Crowded

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

NAME, LIMIT = "question-and-answer", 20
"""The example's limit, in messages a second."""
PEERS = 4
CPU_A_MESSAGE = 100e-6
"""Seconds of the control process for one that comes through to it: at the worker's bound, a tenth of a core."""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_talk_without_end_costs_a_bounded_share(tmp_path: Path, long_form: bool, transport: str) -> None:
    protocols = {NAME: {"facts": {"moon": "full"}}}
    with Crowded(tmp_path, sessions=PEERS, transport=transport, rate=200, protocols=protocols) as crowded:
        assert crowded.connect()["connected"] == PEERS
        before = crowded.usage()["control"].cpu
        talked = crowded.talk(500_000 if long_form else 20_000)
        used, status = crowded.usage()["control"].cpu - before, crowded.status()
    assert talked["kept"] == PEERS - 1
    assert talked["answered"] >= (0.99 if long_form else 0.5) * talked["sent"] > 0
    spoken = status["protocols"][NAME]
    assert spoken["received"] <= AT_ONCE + A_SECOND * (talked["watched"] + 2)
    assert spoken["answered"] <= LIMIT * (talked["watched"] + 4)
    assert spoken["control-flood"] > 0
    assert transport == "tcp" or status["drops"]["control_busy"] > 0, "a stream slows its sender down first"
    assert not long_form or used <= CPU_A_MESSAGE * spoken["received"]
