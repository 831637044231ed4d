"""A running daemon takes another list of plugins: what the sessions do not need anew goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

LATE = """
from contextlib import asynccontextmanager
from pathlib import Path

from appliance.api.crypto import CryptoSuite
from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiRoute
from appliance.api.monitoring import MonitorKind
from appliance.api.profile import Section

NOTES = Path(__file__).with_suffix(".notes")


def note(text):
    with NOTES.open("a") as notes:
        notes.write(f"{text}\\n")


@asynccontextmanager
async def watch(settings, services):
    note("monitor begins")
    yield
    note("monitor ends")


@asynccontextmanager
async def beside(node):
    note("lifespan begins")
    yield
    note("lifespan ends")


@hookimpl
def appliance_monitors():
    return (MonitorKind("late", lambda: Section, watch),)


@hookimpl
def appliance_lifespan(node):
    return beside(node)
"""
SUITE = """

@hookimpl
def appliance_crypto_suites():
    return (CryptoSuite("late", 0x8001, 16, 16, "cryptography.hazmat.primitives.ciphers.aead:AESGCM"),)
"""


class Late:
    """A plugin `late` that is installed while the daemon runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"PYTHONPATH": str(folder)}
        self.notes = folder / "late.notes"

    def install(self, code: str) -> None:
        (self.folder / "late.py").write_text(code)
        known = self.folder / "late-1.dist-info"
        known.mkdir(exist_ok=True)
        (known / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1\n")
        (known / "entry_points.txt").write_text("[appliance.v1]\nlate = late\n")


@pytest.fixture
def late(tmp_path: Path) -> Late:
    folder = tmp_path / "late"
    folder.mkdir()
    return Late(folder)


def facts(host: Host, late: Late) -> dict[str, dict[str, Any]]:
    document = json.loads(host.command("plugins", "--json", **late.environ).stdout)
    return {fact["name"]: fact for fact in document["plugins"]}


def test_a_plugin_comes_and_goes_and_the_session_stays(hosts: tuple[Host, Host], late: Late) -> None:
    first, second = hosts
    first.start(**late.environ)
    second.start()
    assert first.pings("10.8.0.2")
    before = first.status()
    late.install(LATE)
    first.write(second, plugins="late", more="monitoring: {late: {}}")
    planned = first.command("plan", **late.environ)
    assert planned.returncode == ExitCode.CHANGES_PENDING
    assert "plugin late is loaded: monitor late" in planned.stdout
    applied = first.command("apply", **late.environ)
    assert applied.returncode == ExitCode.OK, applied.stderr
    assert facts(first, late)["late"]["state"] == "active"
    assert late.notes.read_text().splitlines() == ["monitor begins", "lifespan begins"]
    first.write(second)
    planned = first.command("plan", **late.environ)
    assert "plugin late is left out" in planned.stdout
    assert first.command("apply", **late.environ).returncode == ExitCode.OK
    assert "late" not in facts(first, late)
    assert late.notes.read_text().splitlines()[2:] == ["monitor ends", "lifespan ends"]
    after = first.status()
    assert after["sessions"][0]["session"] == before["sessions"][0]["session"]
    assert after["worker"]["pid"] == before["worker"]["pid"]


def test_a_suite_that_comes_is_used_by_new_workers(hosts: tuple[Host, Host], late: Late) -> None:
    for host in hosts:
        host.start(**late.environ)
    first, second = hosts
    assert first.pings("10.8.0.2")
    worker = first.status()["worker"]["pid"]
    late.install(LATE + SUITE)
    for host, other in ((first, second), (second, first)):
        endpoints = "" if host is first else '"udp://192.0.2.1:8443"'
        host.write(other, plugins="late", more="crypto: {suites: [late, aes-256-gcm]}", endpoints=endpoints)
    planned = first.command("plan", **late.environ)
    assert "plugin late is loaded: suite late, monitor late; the workers start anew for it" in planned.stdout
    for host in hosts:
        applied = host.command("apply", **late.environ)
        assert applied.returncode == ExitCode.OK, applied.stderr
    assert first.status()["worker"]["pid"] != worker
    assert first.pings("10.8.0.2")
    first.write(second, plugins="late", more="crypto: {suites: [late]}")
    assert first.command("apply", **late.environ).returncode == ExitCode.OK
    assert first.pings("10.8.0.2")
    assert {session["suite"] for session in first.status()["sessions"] if session["state"] == "active"} == {"late"}


def test_one_that_cannot_be_imported_changes_nothing_until_it_is_mended(hosts: tuple[Host, Host], late: Late) -> None:
    first, second = hosts
    first.start(**late.environ)
    late.install("import no_such_module")
    first.write(second, plugins="late", more="monitoring: {late: {}}")
    refused = first.command("apply", **late.environ)
    assert refused.returncode == ExitCode.FAILURE
    assert "plugin late: import: raised ModuleNotFoundError" in refused.stderr
    assert "late" not in facts(first, late)
    assert first.status()["state"] == "running"
    late.install(LATE)
    assert first.command("apply", **late.environ).returncode == ExitCode.OK
    assert facts(first, late)["late"]["state"] == "active"


def test_a_change_of_plugins_that_nobody_confirms_is_taken_back(hosts: tuple[Host, Host], late: Late) -> None:
    first, second = hosts
    first.start(**late.environ)
    late.install(LATE)
    first.write(second, plugins="late", more="monitoring: {late: {}}")
    assert first.command("apply", "--confirm-within", "1s", **late.environ).returncode == ExitCode.OK
    first.hear("nobody confirmed the change in time: going back")
    first.hear("other plugins", times=2)
    assert "late" not in facts(first, late)
    assert late.notes.read_text().splitlines()[2:] == ["monitor ends", "lifespan ends"]


def test_a_suite_that_workers_cannot_import_changes_nothing(hosts: tuple[Host, Host], late: Late) -> None:
    first, second = hosts
    first.start(**late.environ)
    second.start()
    assert first.pings("10.8.0.2")
    before = first.status()
    late.install(LATE + SUITE.replace("cryptography.hazmat", "no_such_module"))
    first.write(second, plugins="late", more="crypto: {suites: [late, aes-256-gcm]}")
    refused = first.command("apply", **late.environ)
    assert refused.returncode == ExitCode.FAILURE
    assert "plugin late: import: no_such_module" in refused.stderr
    after = first.status()
    assert after["worker"]["pid"] == before["worker"]["pid"]
    assert after["sessions"][0]["session"] == before["sessions"][0]["session"]
    assert "late" not in facts(first, late)


def test_a_change_that_fails_on_the_host_takes_the_plugins_back(hosts: tuple[Host, Host], late: Late) -> None:
    first, second = hosts
    first.start(**late.environ)
    late.install(LATE + SUITE)
    first.write(second, plugins="late", more="crypto: {suites: [late]}", listen="udp://203.0.113.9:8443")
    refused = first.command("apply", **late.environ)
    assert refused.returncode == ExitCode.FAILURE
    assert "this host has no address 203.0.113.9" in refused.stderr
    assert "late" not in facts(first, late)
    assert set(first.status()["listen"]) == {"udp://0.0.0.0:8443", "tcp://0.0.0.0:8443"}
