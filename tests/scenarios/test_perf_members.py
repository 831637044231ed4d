"""The measurement of what members cost, in its smallest form: it goes on to measure what it says."""

from __future__ import annotations

import re

import pytest

from tests.perf.members import measure

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]


async def test_a_network_of_four_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    await measure(known=4, connected=1, settle=0.0, seconds=1.0)
    said = capsys.readouterr().out
    assert "3 members known, 1 sessions" in said
    assert "newcomer: knows 4 after" in said
    for process in ("control", "worker"):
        assert len(re.findall(rf"^\| {process} \| [1-9]\d*\.\d \| [1-9]\d*\.\d \| \d+\.\d\d \|$", said, re.MULTILINE)) == 2
    assert len(re.findall(r"on the wire in a minute, with the pings: \d+\.\d and \d+\.\d kB", said)) == 2
