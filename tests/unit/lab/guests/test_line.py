from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.guests.line import Line
from appliance.lab.namespace import Namespace

NOWHERE = Namespace("lab-1-1-1-left")


def test_words_reach_root_through_the_namespace_over_the_line_that_is_open() -> None:
    words = Line("left", Path("/cache/key"), Path("/lab/left"), NOWHERE, {}).words()
    assert words[:4] == ["nsenter", "--net=/run/netns/lab-1-1-1-left", "--", "ssh"]
    assert words[-1] == "root@127.0.0.1"
    assert {"ControlPath=/lab/left/ssh0", "ControlMaster=no", "BatchMode=yes", "StrictHostKeyChecking=no"} <= set(words)
    assert words[words.index("-F") + 1] == "/dev/null", "what an admin has in ~/.ssh/config is for other hosts"


def test_a_path_that_ssh_cannot_take_is_told_before_anything_runs() -> None:
    with pytest.raises(HostError, match="too long a path") as caught:
        Line("left", Path("/cache/key"), Path("/tmp/" + "x" * 90), NOWHERE, {})
    assert "TMPDIR" in caught.value.hint


def test_hanging_up_takes_the_socket_along(tmp_path: Path) -> None:
    line = Line("left", Path("/cache/key"), tmp_path, NOWHERE, {})
    (tmp_path / "ssh0").touch()
    for _ in range(2):
        line.hang_up()
    assert list(tmp_path.iterdir()) == []


def test_what_fails_on_the_guest_says_what_it_was() -> None:
    line = Line("left", Path("/cache/key"), Path("/lab"), Namespace("lab-1-1-1-not-there"), {"PATH": "/usr/bin:/bin"})
    with pytest.raises(HostError, match=r"left: 'true' ended with 1: .*lab-1-1-1-not-there"):
        line.run("true", timeout=60)
    with pytest.raises(HostError, match=r"left could not be settled: .*not-there"):
        line.converse("true", dict)
