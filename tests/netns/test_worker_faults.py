"""Drivers and ciphers of plugins that raise, exit, crash or hang in the worker: named, and traffic goes another way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from appliance.plugin_host.scaffold import create
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

DEEDS = """

def be_nasty() -> None:
    import ctypes
    import os
    import sys
    import time

    how = os.environ.get("NASTY", "")
    if how == "raises":
        raise KeyError("nasty")
    if how == "exits":
        sys.exit(0)
    if how == "crashes":
        ctypes.string_at(0)
    while how == "hangs":
        time.sleep(1000)
"""


def scaffolded(folder: Path, kind: str, file: str, before: str) -> dict[str, str]:
    """A new plugin `nasty` of a kind, which is nasty in `file` wherever `before` stands. Returns what commands need to see it."""
    create("nasty", kind, folder)
    package = f"appliance_{kind}_nasty"
    path = folder / "src" / package / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, f"        be_nasty()\n{before}") + DEEDS)
    known = folder / "src/nasty-1.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: nasty\nVersion: 1\n")
    (known / "entry_points.txt").write_text(f"[appliance.v1]\n{kind}-nasty = {package}.plugin\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder / "src"), os.environ.get("PYTHONPATH"))))}


def problem(host: Host, name: str) -> str:
    facts = {fact["name"]: fact for fact in json.loads(host.command("plugins", "--json").stdout)["plugins"]}
    return str(facts[name]["problem"])


RECEIVE = "        memory, have = self._buffers.receive, len(self._rest)\n"
SEAL = "        return self._cipher.encrypt_into("
SAYS = {
    "exits": "transport nasty: driver raised SystemExit in be_nasty (driver.py:",
    "crashes": "transport nasty: driver crashed the worker in be_nasty (driver.py:",
    "hangs": "transport nasty: driver hung the worker in be_nasty (driver.py:",
}


@pytest.mark.parametrize("how", ["exits", "crashes", "hangs"])
def test_a_driver_is_named_and_its_peer_comes_another_way(hosts: tuple[Host, Host], tmp_path: Path, how: str) -> None:
    first, second = hosts
    known = scaffolded(tmp_path / "new", "transport", "driver.py", RECEIVE)
    listen = '"nasty://0.0.0.0:8444", "udp://0.0.0.0:8443"'
    first.write(second, plugins="transport-nasty", listen=listen)
    second.write(first, plugins="transport-nasty", listen="", endpoints='"nasty://192.0.2.1:8444", "udp://192.0.2.1:8443"')
    first.start(NASTY=how, **known)
    second.start(**known)
    first.hear("session ready")
    assert second.pings("10.8.0.1")
    assert first.pings("fd00:8::2")
    assert first.status()["sessions"][0]["transport"] == "udp"
    assert problem(first, "transport-nasty").startswith(SAYS[how])
    assert (first.status()["worker"]["restarts"] == 0) == (how == "exits"), "what only raises costs its own link"
    assert first.stop() == ExitCode.OK


def test_a_cipher_is_named_and_sessions_take_another(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    first, second = hosts
    known = scaffolded(tmp_path / "new", "crypto", "aead.py", SEAL)
    suites = "crypto: {suites: [nasty, aes-256-gcm]}"
    first.write(second, plugins="crypto-nasty", more=suites)
    second.write(first, plugins="crypto-nasty", more=suites, endpoints='"udp://192.0.2.1:8443"')
    first.start(NASTY="raises", **known)
    second.start(**known)
    first.namespace.sh("ping -i 0.02 -c 100 -w 15 10.8.0.2", check=False)
    assert first.pings("10.8.0.2")
    assert second.pings("10.8.0.1")
    assert first.status()["sessions"][0]["suite"] == "aes-256-gcm"
    assert "suite nasty: cipher raised KeyError in be_nasty (aead.py:" in problem(first, "crypto-nasty")


@pytest.mark.parametrize("text", ["import no_such_module\n", "import time\ntime.sleep(1000)\n"])
def test_what_nobody_uses_need_not_be_there(hosts: tuple[Host, Host], tmp_path: Path, text: str) -> None:
    first, second = hosts
    known = scaffolded(tmp_path / "new", "transport", "driver.py", RECEIVE)
    (tmp_path / "new/src/appliance_transport_nasty/driver.py").write_text(text)
    first.write(second, plugins="transport-nasty")
    first.start(**known)
    second.start()
    assert first.pings("10.8.0.2")
    assert "transport nasty: driver cannot be loaded: " in problem(first, "transport-nasty")
    first.stop()
    first.write(second, plugins="transport-nasty", listen='"nasty://0.0.0.0:8444"')
    answer = first.command("run", str(first.profile), **known)
    assert answer.returncode == ExitCode.FAILURE
    assert "plugin transport-nasty: transport nasty: driver cannot be loaded: " in answer.stderr


def test_a_driver_that_lacks_a_member_is_none(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    first, second = hosts
    known = scaffolded(tmp_path / "new", "transport", "driver.py", RECEIVE)
    path = tmp_path / "new/src/appliance_transport_nasty/driver.py"
    path.write_text(path.read_text().replace("def arrivals", "def departures"))
    first.write(second, plugins="transport-nasty", listen='"nasty://0.0.0.0:8444", "udp://0.0.0.0:8443"')
    second.write(first, plugins="transport-nasty", listen="", endpoints='"nasty://192.0.2.1:8444", "udp://192.0.2.1:8443"')
    first.start(**known)
    second.start(**known)
    assert second.pings("10.8.0.1")
    assert "the driver lacks arrivals" in problem(first, "transport-nasty")
    assert first.status()["worker"]["restarts"] == 0
