"""Every operation of an admin works again and again; in the long form, each within five seconds."""

from __future__ import annotations

import pytest
from rigs.labs import pair, reaches
from rigs.operations import LEFT_OUT, MOST_SECONDS, Operations

from appliance.cli.table import COMMANDS
from appliance.lab.engine import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(1800)]


@pytest.fixture
def times(long_form: bool) -> int:
    return 100 if long_form else 2


async def test_each_operation_works_each_time(times: int, long_form: bool, capsys: pytest.CaptureFixture[str]) -> None:
    async with Lab(pair()) as lab:
        operations = Operations(lab)
        for _ in range(times):
            await operations.round()
        assert await reaches(lab.host("left"), "10.70.0.2")
    assert lab.left_behind == []
    done = operations.took()
    assert all(took.times >= times for took in done)
    commands = {command.words for command in COMMANDS} - LEFT_OUT
    assert commands <= {"run" if took.operation.startswith("run ") else took.operation for took in done}
    if long_form:  # the machine has nothing else to do
        with capsys.disabled():
            print("", *done, sep="\n")
        assert [took for took in done if took.p99 >= MOST_SECONDS] == []
