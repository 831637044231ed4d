"""A host that is reached by a connection, which here is a shell of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import HostError, NoDaemon
from appliance.lab.machines.machine import LabFailure
from tests.rigs.near import Near


class Silent(Near):
    """No node runs there, so that what passes on what is said ends at once."""

    def program(self, path: Path) -> list[str]:
        return ["true"]


@pytest.fixture
def near(tmp_path: Path) -> Near:
    return Near(tmp_path)


def test_a_file_comes_back_as_it_went(near: Near, tmp_path: Path) -> None:
    path, data = tmp_path / "new folder/a 'name'", bytes(range(256))
    near.put(path, data, 0o640)
    assert near.get(path) == data
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == [path.name], "nothing half written"


async def test_words_arrive_as_they_are(near: Near) -> None:
    done = await near.run(["printf", "%s|", "two words", "$HOME", "'", ""])
    assert done.out == "two words|$HOME|'||"
    assert near.told(["cat"], stdin=b"told") == "told"


async def test_what_does_not_end_is_ended(near: Near) -> None:
    with pytest.raises(LabFailure, match="did not end within"):
        await near.run(["sleep", "1000"], timeout=0.1)


def test_a_complaint_is_passed_on(near: Near, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"`cat .*` on near failed: cat: .*No such file"):
        near.get(tmp_path / "nowhere")


def test_a_host_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="host far is not reached: no route"):
        Near(tmp_path, "sh", "-c", "echo no route >&2; exit 255", name="far").told(["true"])


def test_a_program_ends_with_its_connection(near: Near) -> None:
    connection = subprocess.Popen(near.spawning(["sleep", "1000"]), stdin=subprocess.PIPE)
    assert connection.stdin is not None
    connection.stdin.close()
    assert connection.wait(60) == 128 + 9


def test_a_program_is_copied_once_and_again_after_a_loss_of_power(near: Near, tmp_path: Path) -> None:
    program = tmp_path / "hello.py"
    program.write_text("print('hello')")
    words = near.program(program)
    assert near.told(words) == "hello\n"
    there = tmp_path / "there/hello.py"
    there.unlink()
    near.program(program)
    assert not there.exists()
    near.forget_programs()
    assert near.told(near.program(program)) == "hello\n"


def test_another_user_than_root_has_sudo(near: Near) -> None:
    assert near.enter(["id", "-u"])[-1] == "env NO_COLOR=1 id -u"
    near.user = "admin"
    assert near.enter(["id", "-u"])[-1] == "sudo -n -- env NO_COLOR=1 id -u"


def test_no_node_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(NoDaemon, match="nobody answers at the control socket on silent"):
        Silent(tmp_path, name="silent").control()


NODE = """
import json, os, sys
with open({log!r}, "a") as log: log.write("begun\\n")
os.write(1, b"+")
for line in sys.stdin:
    os.write(1, json.dumps({{"ok": True, "result": json.loads(line)["op"]}}).encode() + b"\\n")
    if os.path.exists({ending!r}): sys.exit()
"""


class Node(Near):
    """A node answers there, until the file `ending` is there."""

    def program(self, path: Path) -> list[str]:
        text = NODE.format(log=str(self.directory / "log"), ending=str(self.directory / "ending"))
        return [sys.executable, "-I", "-S", "-c", text]


def test_the_status_is_asked_over_one_connection(tmp_path: Path) -> None:
    machine = Node(tmp_path)
    assert [machine.ask("status") for _ in range(3)] == ["status"] * 3
    assert (tmp_path / "log").read_text() == "begun\n"
    assert machine.ask("plugins") == "plugins"
    assert (tmp_path / "log").read_text() == "begun\n" * 2, "anything else has a connection of its own"
    machine.hang_up()


def test_a_node_that_was_started_again_is_asked_anew(tmp_path: Path) -> None:
    machine = Node(tmp_path)
    (tmp_path / "ending").touch()
    assert [machine.ask("status") for _ in range(3)] == ["status"] * 3
    assert (tmp_path / "log").read_text() == "begun\n" * 3
    machine.hang_up()
