"""Plugins that exit, interrupt or block a running node: it names them, carries traffic, answers, and ends as it should."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from rigs import nasty

from appliance.errors import ExitCode
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

NASTY = "discovery: {nasty: {}}\nmonitoring: {nasty: {}}\nprotocols: {nasty: {}}"
EVERYWHERE = "candidates connected task monitor-exit lifespan-exit subscriber route authorize"


@pytest.fixture
def known(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "environment").mkdir()
    return nasty.installed(tmp_path / "environment")


def problem(host: Host, **environ: str) -> str:
    answer = host.command("plugins", "--json", **environ)
    facts = {fact["name"]: fact for fact in json.loads(answer.stdout)["plugins"]}
    return str(facts["nasty"]["problem"])


@pytest.mark.parametrize("how", ["exits", "interrupts", "raises"])
def test_a_node_outlives_what_a_plugin_raises(hosts: tuple[Host, Host], known: dict[str, str], how: str) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.write(second, plugins="nasty", more=NASTY)
    first.start(NASTY=f"{how} {EVERYWHERE}", **known)
    second.start()
    assert first.pings("10.8.0.2")
    assert second.pings("fd00:8::1")
    expected = {"discovery nasty", "subscriber nasty", "protocol nasty"} | ({"task nasty"} if how != "raises" else set())
    first.hear("a plugin failed", times=len(expected))
    assert {line["part"] for line in first.logged("a plugin failed")} == expected
    assert "discovery nasty: " in problem(first)
    assert first.command("plugins").returncode == ExitCode.DEGRADED, "a failing authorize does not lock root out"
    assert first.status()["sessions"]
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_node_outlives_a_plugin_that_blocks(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.write(second, plugins="nasty", more=NASTY)
    first.start(NASTY="blocks candidates connected subscriber authorize", **known)
    second.start()
    assert first.pings("10.8.0.2")
    assert "discovery nasty: held up the node for 3 s (" in problem(first)
    assert first.status()["judged"]["late"] >= 1, "a deny, but for root"
    assert first.command("status").returncode == ExitCode.DEGRADED
    assert first.stop() == ExitCode.OK
    [late] = [line for line in first.logged("a plugin failed") if line["part"] == "authorize nasty"]
    assert late["reason"].startswith("appliance_authorize did not end within 1 s (")
    assert first.namespace.snapshot() == before


def test_a_stop_while_a_plugin_blocks_is_obeyed(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.write(second, plugins="nasty", more=NASTY)
    first.start(NASTY="blocks lifespan-exit", **known)
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_thread_that_a_plugin_leaves_behind_does_not_keep_the_process(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    first.write(second, plugins="nasty")
    first.start(NASTY="leaves-a-thread lifespan", **known)
    assert first.stop() == ExitCode.OK


@pytest.mark.parametrize(
    "where", ["exits router", "interrupts listen", "exits transport", "exits plan", "interrupts check", "blocks listen"]
)
def test_a_start_that_a_plugin_prevents_leaves_nothing(hosts: tuple[Host, Host], known: dict[str, str], where: str) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.write(second, plugins="nasty", more="routing: {kind: nasty}", listen='"udp://0.0.0.0:8443", "nasty://127.0.0.1:7"')
    answer = first.command("run", str(first.profile), NASTY=where, **known)
    assert answer.returncode in (ExitCode.FAILURE, ExitCode.INVALID), answer.stderr
    assert "plugin nasty: " in answer.stderr
    assert first.namespace.snapshot() == before
    assert subprocess.run(["ip", "netns", "pids", first.namespace.name], capture_output=True, check=True).stdout == b""


def test_root_may_bring_the_host_back_whatever_plugins_say(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    first.write(second, plugins="nasty")
    first.start(NASTY="not denies", **known)
    assert first.command("plugins").returncode == ExitCode.PERMISSION
    assert first.command("status").returncode == ExitCode.OK
    answer = first.command("rollback")
    assert answer.returncode == ExitCode.OK, answer.stderr
    assert first.ended() == ExitCode.WITHHELD


def test_a_router_that_breaks_during_a_reload_keeps_traffic(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    first.write(second, plugins="nasty")
    first.start(NASTY="exits routes", **known)
    second.start()
    assert first.pings("10.8.0.2")
    first.write(second, plugins="nasty", more="routing: {kind: nasty}", mtu=1300)
    assert first.command("apply", str(first.profile), **known).returncode == ExitCode.OK
    assert "routing nasty: routes raised SystemExit: 3" in problem(first)
    assert first.pings("10.8.0.2")
    assert second.pings("10.8.0.1")
