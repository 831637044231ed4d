"""What a plugin wants of the host: done, kept, brought back, and taken back when the plugin is gone."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api.planning import HostState, NftTable, Wish
from appliance.api.profile import Profile
from appliance.api.values import Problem
from appliance.apply.engine import apply_profile, plan_profile, rollback
from appliance.errors import ExitCode
from tests.netns.daemons import Host
from tests.netns.profiles import profile

pytestmark = pytest.mark.netns

PLUGIN = '''
"""Drops what comes to some ports, and makes room for what comes."""

from appliance.api.hookspecs import hookimpl
from appliance.api.planning import NftTable, Setting
from appliance.api.profile import ProfileSection, Section
from appliance.api.values import Problem

BACKLOG = "net.core.somaxconn"


class Guard(Section):
    ports: tuple[int, ...] = ()
    backlog: int = 4096
    needs: str = ""


@hookimpl
def appliance_profile_sections():
    return [ProfileSection("guard", lambda: Guard)]


@hookimpl
def appliance_check_profile(host, section):
    if host is not None and section is not None and section.needs and section.needs not in host.links:
        yield Problem("guard.needs", f"there is no link {section.needs}", "make it first")


@hookimpl
def appliance_observe(profile):
    return [BACKLOG]


@hookimpl
def appliance_plan(observed, section):
    if section is None:
        return
    if int(observed.sysctls[BACKLOG]) < section.backlog:
        yield Setting(BACKLOG, str(section.backlog))
    right = {"set": list(section.ports)}
    match = {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": right}}
    yield NftTable([
        {"chain": {"name": "input", "type": "filter", "hook": "input", "prio": -10}},
        {"rule": {"chain": "input", "comment": "closed", "expr": [match, {"drop": None}]}},
    ])
'''
TABLE = "inet appliance_guard"
SECONDS = 60.0


class Guarded:
    """A host with the plugin, and what it shows."""

    def __init__(self, host: Host, other: Host, folder: Path) -> None:
        self.host, self._other, self.folder = host, other, folder
        info = folder / "guard-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guard\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[appliance.v1]\nguard = guard\n")
        (folder / "guard.py").write_text(PLUGIN)
        self.environ = {"PYTHONPATH": str(folder)}
        self.write("guard", "guard: {ports: [7777, 8888]}")

    def write(self, plugins: str, more: str) -> None:
        """The profile."""
        self.host.write(self._other, plugins=plugins, more=more)

    def apply(self) -> list[str]:
        """The steps of an apply without a daemon."""
        done = self.host.command("apply", str(self.host.profile), "--json", **self.environ)
        assert done.returncode == ExitCode.OK, done.stderr
        steps: list[str] = json.loads(done.stdout)["steps"]
        return steps

    def table(self) -> str:
        """As nft prints it, "" when it is not there."""
        return self.host.namespace.sh(f"nft list table {TABLE}", check=False)

    def backlog(self) -> int:
        return int(self.host.namespace.sh("sysctl -n net.core.somaxconn"))

    def remains(self) -> tuple[bool, int]:
        """Is the table there, and the setting."""
        return bool(self.table()), self.backlog()


@pytest.fixture
def guarded(hosts: tuple[Host, Host], tmp_path: Path) -> Iterator[Guarded]:
    """What is there afterwards was there before."""
    host = hosts[0]
    before = host.namespace.snapshot()
    guarded = Guarded(host, hosts[1], tmp_path / "plugins")
    assert guarded.remains() == (False, 4096)
    guarded.host.namespace.sh("sysctl -w net.core.somaxconn=100")
    yield guarded
    if host.process is not None:
        host.stop(signal.SIGKILL)
    host.command("rollback")
    assert guarded.remains() == (False, 100)
    host.namespace.sh("sysctl -w net.core.somaxconn=4096")
    assert host.namespace.snapshot() == before


def eventually(true: Callable[[], bool]) -> None:
    """The kernel reports by itself; a node looks a moment later."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_applied_plugin_plans_nothing_and_its_leaving_takes_everything_back(guarded: Guarded) -> None:
    steps = guarded.apply()
    assert [step for step in steps if step.endswith("(plugin guard)")] == steps[-2:]
    assert "7777, 8888" in guarded.table()
    assert guarded.backlog() == 4096
    assert guarded.apply() == []

    guarded.write("guard", "guard: {ports: [9999], backlog: 5000}")
    assert len(guarded.apply()) == 2
    assert guarded.backlog() == 5000
    assert "9999" in guarded.table()

    guarded.write("", "")
    assert len(guarded.apply()) == 2
    assert guarded.remains() == (False, 100)


def test_a_plugin_judges_a_profile_with_the_host_before_anything_is_done(guarded: Guarded) -> None:
    guarded.write("guard", "guard: {ports: [9999], needs: wan7}")
    assert guarded.host.command("check", str(guarded.host.profile), **guarded.environ).returncode == ExitCode.OK
    for verb in ("plan", "apply", "run"):
        done = guarded.host.command(verb, str(guarded.host.profile), **guarded.environ)
        assert done.returncode == ExitCode.UNFIT, done.stderr
        assert "guard.needs: there is no link wan7" in done.stderr
    assert guarded.remains() == (False, 100)
    guarded.host.namespace.sh("ip link add wan7 type veth peer name wan8")
    assert guarded.apply()
    guarded.host.namespace.sh("ip link del wan7")
    guarded.write("guard", "")
    guarded.apply()


def test_an_uninstalled_plugin_has_left_and_a_broken_one_has_not(guarded: Guarded) -> None:
    guarded.apply()
    (guarded.folder / "guard.py").write_text("raise RuntimeError('half an upgrade')\n")
    guarded.write("guard", "")
    assert guarded.apply() == []
    assert guarded.remains() == (True, 4096)

    shutil.rmtree(guarded.folder)
    assert len(guarded.apply()) == 2
    assert guarded.remains() == (False, 100)


def test_a_running_node_brings_back_what_a_plugin_wants_and_a_reload_takes_it_over(guarded: Guarded) -> None:
    host = guarded.host
    host.start(**guarded.environ)
    assert guarded.remains() == (True, 4096)
    host.namespace.sh(f"nft delete table {TABLE}")
    eventually(lambda: bool(guarded.table()))
    host.namespace.sh("sysctl -w net.core.somaxconn=1")
    eventually(lambda: guarded.backlog() == 4096)

    guarded.write("guard", "guard: {ports: [9999]}")
    assert host.command("apply", **guarded.environ).returncode == ExitCode.OK
    assert "9999" in guarded.table()
    guarded.write("guard", "")
    assert host.command("apply", **guarded.environ).returncode == ExitCode.OK
    assert guarded.remains() == (False, 100)
    assert host.stop() == ExitCode.OK


def test_a_table_with_everything_that_it_may_have_is_not_planned_again(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    namespace = hosts[0].namespace
    entries: list[dict[str, Any]] = [
        {"limit": {"name": "slow", "rate": 10, "per": "second"}},
        {"set": {"name": "bad", "type": "ipv4_addr", "flags": ["interval"], "elem": ["198.51.100.1"]}},
        {"map": {"name": "doors", "type": "inet_service", "map": "verdict", "elem": [[22, {"accept": None}]]}},
        {"counter": {"name": "dropped"}},
        {"quota": {"name": "most", "bytes": 1_000_000}},
        {"chain": {"name": "other"}},
        {"chain": {"name": "input", "type": "filter", "hook": "input", "prio": -10}},
        {"rule": {"chain": "input", "comment": "long " * 40, "expr": [{"counter": "dropped"}, {"jump": {"target": "other"}}]}},
        {"rule": {"chain": "other", "expr": [{"accept": None}]}},
    ]

    class Guard:
        names = ("guard",)
        kept: frozenset[str] = frozenset()

        def observe(self, _profile: Profile) -> dict[str, tuple[str, ...]]:
            return {"guard": ()}

        def plan(self, _profile: Profile, _observed: HostState) -> dict[str, tuple[Wish, ...]]:
            return {"guard": (NftTable(entries),)}

        def check(self, _profile: Profile, _observed: HostState) -> tuple[Problem, ...]:
            return ()

    first = namespace.run(apply_profile, profile(), tmp_path / "state", plugins=Guard())
    assert [step.plugin for step in first.plan.steps if step.plugin] == ["guard"]
    assert not namespace.run(apply_profile, profile(), tmp_path / "state", plugins=Guard()).changed
    entries[1]["set"]["elem"] = ["198.51.100.2"]
    assert len(namespace.run(apply_profile, profile(), tmp_path / "state", plugins=Guard()).plan.steps) == 1
    assert "198.51.100.2" in namespace.sh("nft list table inet appliance_guard")
    namespace.run(rollback, tmp_path / "state")
    assert namespace.sh("nft list tables") == ""


def test_a_plugin_that_thinks_about_its_wishes_does_not_keep_the_loop_waiting(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    go_on = threading.Event()

    class Slow:
        names = ("slow",)
        kept: frozenset[str] = frozenset()

        def observe(self, _profile: Profile) -> dict[str, tuple[str, ...]]:
            return {"slow": ()}

        def plan(self, _profile: Profile, _observed: HostState) -> dict[str, tuple[Wish, ...]]:
            assert go_on.wait(SECONDS), "the loop did not turn meanwhile"
            return {"slow": ()}

        def check(self, _profile: Profile, _observed: HostState) -> tuple[Problem, ...]:
            return ()

    async def planned() -> int:
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        return len((await plan_profile(profile(), tmp_path / "state", plugins=Slow())).steps)

    assert hosts[0].namespace.run(planned) > 0
