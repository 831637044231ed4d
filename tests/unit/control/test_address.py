"""Where a node listens, and what may be in the way there."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from appliance.control import address, client
from appliance.control.address import AlreadyRunning, Listening, listen
from appliance.errors import HostError, NoDaemon
from appliance.linux.locks import Busy, try_hold


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of the instance "office"."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("APPLIANCE_INSTANCE", "office")
    directory = tmp_path / "state@office"
    directory.mkdir(mode=0o700)
    return directory


def listening(state: Path) -> Listening:
    found = listen(state)
    assert (found.path, found.problem) == (state.with_name("state@office.control"), "")
    return found


def test_a_named_node_listens_at_a_path_that_all_may_call(state: Path) -> None:
    found = listening(state)
    assert found.path is not None
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o666
    client.connect().close()
    found.close()
    assert not found.path.exists()
    with pytest.raises(NoDaemon, match="no appliance daemon office runs"):
        client.connect()


def test_a_second_of_that_name_is_refused(state: Path) -> None:
    first = listening(state)
    with pytest.raises(AlreadyRunning, match="daemon office already runs") as caught:
        listen(state)
    assert "appliance --instance office apply" in caught.value.hint
    client.connect().close()
    first.close()


def test_what_a_killed_one_left_is_taken_away(state: Path) -> None:
    listening(state).socket.close()  # and its file stays, as after kill -9
    found = listening(state)
    client.connect().close()
    found.close()


@pytest.mark.parametrize("left", ["file", "symlink", "dangling"])
def test_whatever_else_lies_there_is_replaced_and_not_followed(state: Path, tmp_path: Path, left: str) -> None:
    path, kept = state.with_name("state@office.control"), tmp_path / "kept"
    kept.write_text("kept")
    if left == "file":
        path.write_text("not a socket")
    else:
        path.symlink_to(kept if left == "symlink" else tmp_path / "nowhere")
    found = listening(state)
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert kept.read_text() == "kept"
    assert not (tmp_path / "nowhere").exists()
    found.close()


def test_a_directory_there_is_an_error_that_says_where(state: Path) -> None:
    state.with_name("state@office.control").mkdir()
    with pytest.raises(HostError, match=r"the control socket .*state@office\.control cannot be made"):
        listen(state)


def test_a_path_that_is_too_long_for_a_socket_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / ("x" * 120)))
    monkeypatch.setenv("APPLIANCE_INSTANCE", "office")
    (tmp_path / f"{'x' * 120}@office").mkdir()
    with pytest.raises(HostError, match="cannot be made"):
        listen(tmp_path / f"{'x' * 120}@office")


def test_while_somebody_changes_the_host_it_is_waited_for(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = try_hold(state / "lock")
    assert lock is not None
    monkeypatch.setattr(address, "PATIENCE", 0.1)
    with pytest.raises(Busy):
        listen(state)
    monkeypatch.setattr(address, "PATIENCE", 10.0)
    release = threading.Timer(0.1, os.close, (lock,))
    release.start()
    listening(state).close()
    release.join()


def test_one_that_ends_does_not_take_its_successors_file_away(state: Path) -> None:
    first = listening(state)
    assert first.path is not None
    first.path.unlink()  # somebody tidied up, and another was started
    second = listening(state)
    first.close()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(second.path))
    second.close()
