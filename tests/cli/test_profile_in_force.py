"""Which profile is in force: one that the service cannot see, and the same for every command without PATH."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import APPLIANCE, TIMEOUT, Cli
from tests.cli.test_running import PROFILE, _wait_until_ready
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """A folder that the admin sees and the service does not, as /root, /home and /tmp with ProtectHome and PrivateTmp."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def service(host: Cli, hidden: Path) -> Iterator[subprocess.Popen[str]]:
    """The node in a mount namespace of its own, with nothing in the hidden folder."""
    host("keys", "new", "identity")
    host.profile(PROFILE)
    script = f"mount -t tmpfs none {hidden} && exec {APPLIANCE} run profile.yaml"
    daemon = subprocess.Popen(
        [*host.inside, "unshare", "--mount", "sh", "-c", script],
        cwd=host.directory,
        env=host.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_ready(host, daemon)
        yield daemon
    finally:
        daemon.terminate()
        daemon.communicate(timeout=TIMEOUT)


def test_a_profile_that_the_service_cannot_see(
    host: Cli, namespace: Throwaway, service: subprocess.Popen[str], hidden: Path, tmp_path: Path
) -> None:
    other = hidden / "other.yaml"
    other.write_text(PROFILE.replace("file:identity", "file:../identity").replace("[10.8.0.1/24]", "[10.8.5.1/24]"))
    (hidden / "other.yaml.d").mkdir()
    (hidden / "other.yaml.d/10-mtu.yaml").write_text("network: {mtu: 1380}\n")

    applied = host("apply", other)
    assert applied.code == 2
    assert "a running daemon cannot change server.identity" in applied.err  # relative to the folder it was given in
    other.write_text(other.read_text().replace("file:../identity", f"file:{tmp_path}/identity"))
    applied = host("apply", other)
    assert applied.code == 0, applied.err
    seen = namespace.sh("ip addr show llp0")
    assert "10.8.5.1/24" in seen
    assert "mtu 1380" in seen
    files = f"{other}, {hidden}/other.yaml.d/10-mtu.yaml"
    after = f"in force is {files}; a reload without PATH, and the next start, read {tmp_path}/profile.yaml"
    assert after in applied.err
    assert f"profile    {after}" in host("status").out.splitlines()

    broken = hidden / "broken.yaml"
    broken.write_text("profile: 1\nnetwork: {mtu: 3}\n")
    assert f"{broken}:2" in host("apply", broken).err

    service.send_signal(signal.SIGHUP)
    namespace.sh("until ip addr show llp0 | grep -q 10.8.0.1/24; do :; done")
    assert host("apply").out == "nothing to do: nothing has changed\n"
    profile = host("status", "--json").document["profile"]
    assert profile == {
        "in_force": [f"{tmp_path}/profile.yaml"],
        "paths": [f"{tmp_path}/profile.yaml"],
        "next": [f"{tmp_path}/profile.yaml"],
        "lasts": True,
        "refused": [],
    }
    for words in (("apply", other, "--confirm-within", "5min"), ("rollback",)):
        assert host(*words).code == 0
    profile = host("status", "--json").document["profile"]
    assert (profile["in_force"], profile["lasts"]) == ([f"{tmp_path}/profile.yaml"], True)
    assert "this profile was rolled back" in profile["refused"][0]


def test_every_command_looks_at_the_running_node_s_profile(host: Cli, service: subprocess.Popen[str], tmp_path: Path) -> None:
    note = f"note: looking at the running node's profile, {tmp_path}/profile.yaml\n"
    planned = host("plan")
    assert (planned.code, note in planned.err) == (0, True)
    shown = host("config", "show", "--json")
    assert note in shown.err
    assert shown.document["name"]["value"] == "office"
    checked = host("check")
    assert (checked.code, note in checked.err) == (0, True)
    diagnosed = host("doctor", "--json")
    assert note in diagnosed.err
    assert "profile-invalid" not in {finding["code"] for finding in diagnosed.document["findings"]}
    stranger = host("plan", prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    assert "looking at the system's" in stranger.err
