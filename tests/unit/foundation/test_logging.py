"""Logs: shape, levels, context, redaction, and the rate limit."""

from __future__ import annotations

import io
import json
import logging as standard
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from appliance.foundation import clock, logging


@pytest.fixture(autouse=True)
def untouched_root() -> Iterator[None]:
    root = standard.getLogger()
    before = (list(root.handlers), root.level, standard.getLogger(logging.ROOT).level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    standard.getLogger(logging.ROOT).setLevel(before[2])


def written(level: str = "info", environ: dict[str, str] | None = None) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logging.configure(level, "json", node="gateway", stream=stream, environ=environ or {})
    return logging.get_logger("sessions"), stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_event_component_node_and_bound_context() -> None:
    log, stream = written()
    log.bind(peer="laptop").info("session ready", session="6f9b", suite="aes-256-gcm")
    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "component": "sessions", "event": "session ready", "node": "gateway",
        "peer": "laptop", "session": "6f9b", "suite": "aes-256-gcm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("level", "seen"),
    [("trace", 5), ("debug", 4), ("info", 3), ("warn", 2), ("error", 1)],
)
def test_five_levels(level: str, seen: int) -> None:
    log, stream = written(level)
    for say in (log.trace, log.debug, log.info, log.warning, log.error):
        say("x")
    assert [line["level"] for line in lines(stream)] == ["trace", "debug", "info", "warn", "error"][5 - seen :]


def test_the_environment_overrules_the_profile() -> None:
    log, stream = written("error", {"APPLIANCE_LOG": "DEBUG"})
    log.debug("a turn not taken")
    assert lines(stream)[0]["level"] == "debug"
    assert log.enabled("debug")
    assert not log.enabled("trace")


def test_an_unknown_level_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="'loud' is no log level: trace, debug, info, warn, error"):
        logging.configure(environ={"APPLIANCE_LOG": "loud"})


SECRETS = {
    "key": "0123456789abcdef",
    "private_key": b"\x00" * 32,
    "token": "abc",
    "api_token": "abc",
    "password": "hunter2",
    "passphrase": "x",
    "chain": b"1" * 64,
    "cookie": b"1",
    "identity_pem": "x",
}


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_known_by_its_name(name: str) -> None:
    log, stream = written("trace")
    log.info("x", **{name: SECRETS[name]}, nested={name: SECRETS[name]})
    [line] = lines(stream)
    assert line[name] == "[redacted]"
    assert line["nested"] == {name: "[redacted]"}


PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHh4\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"cannot read {PEM} at all", "MC4CAQ"),
        (PEM[:60], "MC4CAQ"),
        ("Authorization: Bearer c2VjcmV0LXRva2Vu", "c2VjcmV0"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl refused", "eyJhbGci"),
        ("key " + "5a" * 32, "5a5a"),
    ],
)
def test_a_secret_is_known_by_its_look(text: str, secret: str) -> None:
    log, stream = written("trace")
    log.info(text, error=ValueError(text), list=[text])
    assert secret not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") == 3


def test_bytes_become_their_length() -> None:
    log, stream = written()
    log.info("x", packet=b"secret")
    assert lines(stream)[0]["packet"] == "[6 bytes]"


def test_addresses_are_for_debugging_only() -> None:
    log, stream = written("info")
    log.info("session ready", endpoint="udp://198.51.100.7:8443", listen="udp://0.0.0.0:8443")
    assert "198.51.100.7" not in stream.getvalue()
    assert lines(stream)[0]["listen"] == "udp://0.0.0.0:8443"
    log, stream = written("debug")
    log.info("session ready", endpoint="udp://198.51.100.7:8443")
    assert lines(stream)[0]["endpoint"] == "udp://198.51.100.7:8443"


def test_an_exception_has_its_text_always_and_its_traceback_at_debug() -> None:
    for level, traceback in (("info", False), ("debug", True)):
        log, stream = written(level)
        try:
            raise ValueError("no such suite")
        except ValueError:
            log.exception("plugin failed", plugin="crypto-x")
        [line] = lines(stream)
        assert line["error"] == "ValueError: no such suite"
        assert ("traceback" in line) is traceback


def test_people_read_pairs_after_the_event() -> None:
    stream = io.StringIO()
    logging.configure("info", "human", node="gateway", stream=stream, environ={})
    logging.get_logger("sessions").info("session ready", peer="laptop", reason="first contact", times=2)
    assert stream.getvalue()[12:] == ' info  sessions: session ready  node=gateway peer=laptop reason="first contact" times=2\n'


@contextmanager
def into_the_journal(path: Path) -> Iterator[IO[bytes]]:
    """Logs go to a journal whose socket is at `path`. Gives what systemd connects with standard error."""
    reading, writing = os.pipe()
    status = os.fstat(writing)
    with os.fdopen(reading, "rb", buffering=0) as stream, os.fdopen(writing, "w") as error:
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        logging.configure("info", node="gateway", stream=error, environ=environ, journal_socket=path)
        yield stream


def test_the_journal_gets_each_field_and_nothing_twice(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal, into_the_journal(tmp_path / "socket"):
        journal.bind(str(tmp_path / "socket"))
        log = logging.get_logger("sessions")
        log.warning("session ended", peer="laptop", session="6f9b", plugin="transport-ip", reason="link-closed", times=2, key="s")
        entry = journal.recv(65536).decode()
    assert entry.splitlines() == [
        "PEER=laptop", "SESSION=6f9b", "PLUGIN=transport-ip", "REASON=link-closed", "TIMES=2", "KEY=[redacted]",
        "EVENT=session ended", "PRIORITY=4", "COMPONENT=sessions", "NODE=gateway", "SYSLOG_IDENTIFIER=appliance",
        "MESSAGE=sessions: session ended  peer=laptop session=6f9b plugin=transport-ip reason=link-closed times=2 key=[redacted]",
    ]  # fmt: skip


def test_without_a_journal_its_stream_gets_the_line_with_a_priority(tmp_path: Path) -> None:
    with into_the_journal(tmp_path / "nobody") as stream:
        logging.get_logger("worker").error("it died", code=-9)
        assert stream.read(1000) == b"<3>worker: it died  code=-9\n"


@pytest.mark.parametrize("level", ["info", "debug", "trace"])
def test_other_libraries_come_through_the_same_format_but_do_not_drown_us(level: str) -> None:
    _, stream = written(level)
    standard.getLogger("asyncio").warning("slow callback %d", 1)
    standard.getLogger("asyncio").info("not this")
    assert [line["event"] for line in lines(stream)] == ["slow callback 1"]


def test_once_per_lets_one_through_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    key = "test_once_per"
    assert [logging.once_per(10, key) for _ in range(4)] == [1, 0, 0, 0]
    now[0] += 10
    assert [logging.once_per(10, key), logging.once_per(10, key)] == [4, 0]


def test_once_per_forgets_the_oldest_of_too_many_keys() -> None:
    for number in range(1_500):
        assert logging.once_per(60, f"flood {number}") == 1
    assert logging.once_per(60, "flood 0") == 1
    assert logging.once_per(60, "flood 1499") == 0
