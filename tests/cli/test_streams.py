"""Every command with every standard stream closed, full, or without a reader: it does its work and ends as it should."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli.conftest import APPLIANCE, TIMEOUT, Cli
from tests.netns.throwaway import Throwaway

GOOD = """\
profile: 1
network: {addresses: [10.8.0.1/24]}
plugins: [transport-ip, crypto-standard, routing-static]
"""
COMMANDS = [
    ("--help",),
    ("schema",),
    ("init", "-"),
    ("check", "bad.yaml", "--json"),
    ("plan", "good.yaml", "--json"),
    ("status",),
    ("doctor", "good.yaml"),
]
ANSWERED = {0, 3, 5}
"""Exit codes of a command that did what it was asked to."""


@dataclass(frozen=True)
class Ending:
    code: int
    out: str
    err: str


@contextmanager
def no_reader() -> Iterator[int]:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


@contextmanager
def full() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def run(cli: Cli, words: tuple[str, ...], *, closed: tuple[int, ...] = (), **streams: Callable[[], Any]) -> Ending:
    """Run it with some streams `closed` and others replaced; what it writes elsewhere is told."""
    closing = " ".join(f"{number}>&-" for number in closed)
    with ExitStack() as stack:
        handed = {name: stack.enter_context(make()) for name, make in streams.items()}
        ended = subprocess.run(
            [*cli.inside, "sh", "-c", f'exec "$@" {closing}', "sh", APPLIANCE, *words],
            cwd=cli.directory,
            env=cli.environ,
            stdin=subprocess.DEVNULL,
            stdout=handed.get("stdout", subprocess.PIPE),
            stderr=handed.get("stderr", subprocess.PIPE),
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert "Traceback" not in (ended.stderr or "")
    assert "Exception ignored" not in (ended.stderr or "")
    return Ending(ended.returncode, ended.stdout or "", ended.stderr or "")


@pytest.fixture
def node(cli: Cli) -> Cli:
    cli.profile(GOOD, "good.yaml")
    cli.profile("profile: 1\nnetwork: {adresses: []}\n", "bad.yaml")
    cli.environ["APPLIANCE_STATE_DIR"] = str(cli.directory / "state")
    return cli


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_survives_its_streams(node: Cli, words: tuple[str, ...]) -> None:
    as_it_should = run(node, words)
    for ending in (run(node, words, closed=(0, 2)), run(node, words, stderr=full)):
        assert (ending.code, ending.out) == (as_it_should.code, as_it_should.out)
    assert run(node, words, closed=(0, 1, 2)).code == as_it_should.code
    assert run(node, words, stdout=no_reader, stderr=no_reader).code == told_by_code(as_it_should, 141)
    no_room = run(node, words, stdout=full)
    assert no_room.code == told_by_code(as_it_should, 1)
    assert ("standard output: no space left on device" in no_room.err) == has_an_answer(as_it_should)


def told_by_code(as_it_should: Ending, lost: int) -> int:
    return lost if has_an_answer(as_it_should) else as_it_should.code


def has_an_answer(as_it_should: Ending) -> bool:
    return as_it_should.code in ANSWERED and bool(as_it_should.out)


@pytest.mark.netns
@pytest.mark.parametrize(
    ("streams", "code"),
    [({"closed": (0, 1, 2)}, 0), ({"stdout": full, "stderr": full}, 1), ({"stdout": no_reader, "stderr": no_reader}, 141)],
    ids=["closed", "full", "no reader"],
)
def test_what_changes_the_host_does_so_whoever_listens(
    host: Cli, namespace: Throwaway, streams: dict[str, Any], code: int
) -> None:
    host.profile(GOOD, "good.yaml")
    before = namespace.snapshot()
    assert run(host, ("apply", "good.yaml"), **streams).code == code
    assert host("plan", "good.yaml").code == 0
    assert run(host, ("rollback",), **streams).code == code
    assert namespace.snapshot() == before


@pytest.mark.netns
def test_a_daemon_without_streams_is_a_node(host: Cli, namespace: Throwaway) -> None:
    assert host("keys", "new", "identity").code == 0
    host.profile(GOOD + "server: {identity: 'file:identity'}\n", "good.yaml")
    before = namespace.snapshot()
    words = [*host.inside, "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", APPLIANCE, "run", "good.yaml"]
    running = subprocess.Popen(words, cwd=host.directory, env=host.environ)
    try:
        while host("status").code != 0:
            assert running.poll() is None
    finally:
        running.terminate()
        assert running.wait(TIMEOUT) == 0
    assert namespace.snapshot() == before


def test_output_that_does_not_block_is_written_whole(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    ended = subprocess.Popen([APPLIANCE, "schema"], cwd=cli.directory, env=cli.environ, stdout=writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        read = pipe.read()
    assert ended.wait(TIMEOUT) == 0
    assert read == cli("schema").out
