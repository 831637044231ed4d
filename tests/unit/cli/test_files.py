"""`appliance send` and `receive`, as far as there is no node; with nodes: tests/netns/test_files.py."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from pathlib import Path

import pytest

from appliance.cli import entry, files, parser, table
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode
from appliance.files.inbox import Inbox
from appliance.files.sending import Sender, Sent
from appliance.files.source import Source
from appliance.sdk import Connection


def test_several_paths_and_one_peer() -> None:
    found = table.find(["send", "a", "b", "right", "--json"])
    assert found is not None
    arguments = parser.parse(*found)
    assert (arguments.paths, arguments.peer) == (["a", "b"], "right")


@pytest.mark.parametrize("words", [["send"], ["send", "file"]])
def test_a_peer_and_a_path_are_needed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == ExitCode.INVALID
    assert "required" in capsys.readouterr().err


def test_what_cannot_be_sent_is_said_before_the_node_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["send", "/dev/null", "right"]) == ExitCode.INVALID
    assert "no file and no folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["send", "receive"])
def test_without_a_node_it_says_so(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_INSTANCE", "nobody-runs-this")
    (tmp_path / "file").touch()
    words = ["send", str(tmp_path / "file"), "right"] if command == "send" else ["receive", str(tmp_path / "in")]
    assert entry.main(words) == ExitCode.NO_DAEMON


async def test_who_opens_streams_without_end_leaves_the_others_their_places(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "in")
    receiving = files._Receiving(inbox, frozenset(), Terminal(out=io.StringIO(), err=io.StringIO()), once=False)
    pairs = [socket.socketpair() for _ in range(40)]
    taken = [asyncio.create_task(receiving._take(Connection(far, {"peer": "left", "identity": "id"}))) for _, far in pairs]
    try:
        await asyncio.gather(*taken[files.MOST_OF_ONE :])  # closed at once
        assert receiving._taken == {"id": files.MOST_OF_ONE}
        near, far = socket.socketpair()
        other = asyncio.create_task(receiving._take(Connection(far, {"peer": "right", "identity": "other"})))
        (tmp_path / "file").touch()
        source = Source([tmp_path / "file"])
        source.look()
        await asyncio.to_thread(Sender(near, source, lambda _: None).run)
        await other
        assert (tmp_path / "in" / "right" / "file").is_file()
    finally:
        for near, _ in pairs:
            near.close()
        await asyncio.gather(*taken)
        inbox.close()


SENT = Sent(3, 5_000, 1_000, ("tree/log",), (("tree/a", "ff"),))


def test_what_became_of_it_is_told_to_people_and_to_programs() -> None:
    out, err = io.StringIO(), io.StringIO()
    files._tell_sent(SENT, [b"tree/pipe\x1b[2J"], "right", Terminal(out=out, err=err))
    assert out.getvalue() == "right has 2 files, 5.0 kB, 1.0 kB of it was there\n"
    assert "left out, since they are neither files nor folders: 'tree/pipe\\x1b[2J'" in err.getvalue()
    assert "changed or unreadable while they were sent: 'tree/log'" in err.getvalue()
    out = io.StringIO()
    files._tell_sent(SENT, [], "right", Terminal(json=True, out=out, err=io.StringIO()))
    said = json.loads(out.getvalue())
    assert (said["event"], said["roots"], said["changed"], said["there_before"]) == ("sent", {"tree/a": "ff"}, ["tree/log"], 1000)


def test_many_names_are_some_names() -> None:
    assert files._some(["a", "b", "c", "d", "e", "f", "g"]) == "'a', 'b', 'c', 'd', 'e' and 2 more"
