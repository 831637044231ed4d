"""The control client against a listener that says what it is told to."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.control import client
from appliance.control.client import ControlError
from appliance.control.messages import Answer, FromNode, Item, Lost, Refusal, line_of
from appliance.errors import ExitCode, MissingPrivilege, NoDaemon
from appliance.profile.problems import LocatedProblem, ProfileInvalid

ADDRESS = f"\0appliance-test-{os.getpid()}"


@contextmanager
def daemon(answer: bytes | None, *, close: bool = True) -> Iterator[list[bytes]]:
    """A listener that reads one line and answers; None: nothing at all."""
    heard: list[bytes] = []
    done = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(ADDRESS)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.makefile("rb").readline())
                if answer is not None:
                    connection.sendall(answer)
                if not close:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heard
        finally:
            done.set()
            thread.join()


def ask(timeout: float = 5.0) -> object:
    return client.call("status", {"a": 1}, timeout=timeout, address=ADDRESS)


def test_question_and_answer_are_one_line_each() -> None:
    with daemon(b'{"ok": true, "result": {"name": "gateway"}}\n') as heard:
        assert ask() == {"name": "gateway"}
    assert json.loads(heard[0]) == {"op": "status", "args": {"a": 1}}


def test_nobody_listens() -> None:
    with pytest.raises(NoDaemon, match="no appliance daemon runs in this network namespace") as caught:
        ask()
    assert caught.value.exit_code == 7
    assert "appliance run PROFILE" in caught.value.hint
    assert not client.daemon_runs(ADDRESS)


def test_a_refusal_keeps_its_code_hint_and_exit() -> None:
    error = {"code": "forbidden", "message": "you may not ask", "hint": "ask as root", "exit": 6}
    with daemon(json.dumps({"ok": False, "error": error}).encode() + b"\n"), pytest.raises(ControlError) as caught:
        ask()
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("forbidden", "you may not ask", "ask as root")
    assert caught.value.exit_code is ExitCode.PERMISSION


def test_a_profile_that_is_invalid_there_is_invalid_here() -> None:
    said = ProfileInvalid([LocatedProblem("/etc/a.yaml", 2, 3, "network.mtu", "too small", "1280 or more", "  mtu: 3", 3)])
    with daemon(line_of(Refusal(None, said.document()))), pytest.raises(ProfileInvalid) as caught:
        ask()
    assert caught.value.text() == said.text()


def test_problems_that_make_no_sense_are_an_error_like_others() -> None:
    error = {"code": "ProfileInvalid", "message": "no good", "exit": 2, "problems": [{"place": 3}]}
    with daemon(line_of(Refusal(None, error))), pytest.raises(ControlError, match="no good"):
        ask()


def test_a_stream_is_heard_until_its_end() -> None:
    said: list[FromNode] = [Item(None, "one"), Lost(None, 3), Item(None, {"two": 2})]
    with daemon(b"".join(map(line_of, [*said, Answer(None, None)]))):
        assert list(client.stream("follow", address=ADDRESS)) == said
    with daemon(b"".join(map(line_of, [said[0], Refusal(None, {"code": "x", "message": "no more"})]))):
        heard = client.stream("follow", address=ADDRESS)
        assert next(heard) == said[0]
        with pytest.raises(ControlError, match="no more"):
            next(heard)
    with daemon(line_of(said[0])):
        heard = client.stream("follow", address=ADDRESS)
        assert next(heard) == said[0]
        with pytest.raises(ControlError, match="ended the connection"):
            next(heard)


def test_a_stream_where_an_answer_was_asked_for_is_not_understood() -> None:
    with daemon(line_of(Item(None, 1))), pytest.raises(ControlError, match="was not understood"):
        ask()


def test_what_else_the_daemon_tells_of_an_error_is_passed_on() -> None:
    error = {"code": "BadArguments", "message": "no good", "hint": "", "exit": 2, "arguments": [{"path": "a", "message": "no"}]}
    with daemon(line_of(Refusal(None, error))), pytest.raises(ControlError) as caught:
        ask()
    assert caught.value.document() == error


def test_silence_is_bounded() -> None:
    with daemon(None, close=False), pytest.raises(ControlError, match=r"did not answer within 0\.05 s") as caught:
        ask(timeout=0.05)
    assert caught.value.exit_code is ExitCode.RETRY
    assert caught.value.retryable


def test_a_daemon_that_dies_half_way() -> None:
    with daemon(b'{"ok": true'), pytest.raises(ControlError, match="ended the connection before it answered"):
        ask()


@pytest.mark.parametrize(
    "line", [b"[]\n", b"not json\n", b'{"ok": false}\n', b'{"ok": false, "error": {"code": 1, "message": 2, "exit": 99}}\n']
)
def test_an_answer_that_makes_no_sense(line: bytes) -> None:
    with daemon(line), pytest.raises(ControlError, match="was not understood"):
        ask()


def test_an_answer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1000)
    with daemon(b"x" * 2000), pytest.raises(ControlError, match="longer than"):
        ask()


def test_a_socket_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(MissingPrivilege, match="refused this user"):
        ask()


def test_a_full_backlog_is_no_sign_that_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0)
    monkeypatch.setattr(client, "_TIMEVAL", Briefly)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(ADDRESS)
        listener.listen(0)
        waiting.connect(ADDRESS)
        with pytest.raises(ControlError, match="does not take new questions"):
            client.daemon_runs(ADDRESS)


class Briefly:
    """A time limit of 10 ms, as setsockopt takes it."""

    @staticmethod
    def pack(_seconds: int, _microseconds: int) -> bytes:
        return struct.pack("ll", 0, 10_000)
