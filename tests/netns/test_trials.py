"""Profiles on trial, and kill -9, restart, reboot, reload, rollback: what nobody confirmed does not come back."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

REFUSED = "the profile is refused: the one before it runs"
KEPT = "the profile was not taken over; the one before stays"


def mtu(host: Host) -> int:
    [link] = json.loads(host.namespace.sh("ip -j link show dev llp0"))
    return int(link["mtu"])


def killed(host: Host) -> None:
    """As the kernel or an admin does it, and as systemd cleans up after: nothing of the daemon's is left running."""
    assert host.process is not None
    pids = [host.process.pid, *host.status()["worker"]["pids"]]
    for pid in pids:
        subprocess.run(["kill", "-9", str(pid)], check=True)
    host.ended()


def applied(host: Host, *words: str) -> int:
    return host.command("apply", *words).returncode


def test_killed_within_the_window_it_starts_with_the_profile_before(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    first.write(second, mtu=1300)
    assert applied(first, "--confirm-within", "10min") == ExitCode.OK
    assert mtu(first) == 1300

    killed(first)
    first.start()

    assert mtu(first) == 1400
    assert "nobody confirmed this profile in time" in first.logged(REFUSED)[0]["reason"]
    status = first.status()
    assert status["confirm_by"] is None
    assert "refused" in status["problems"]["profile"]
    assert first.command("confirm").returncode == ExitCode.FAILURE

    assert first.process is not None
    first.process.send_signal(signal.SIGHUP)
    first.hear(KEPT)
    assert applied(first) == ExitCode.WITHHELD
    assert mtu(first) == 1400

    first.write(second, mtu=1320)
    assert applied(first) == ExitCode.OK
    assert mtu(first) == 1320
    assert first.status()["problems"] == {}


def test_a_reboot_within_the_window_starts_with_the_profile_before(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    first, second = hosts
    first.start()
    first.write(second, mtu=1300)
    assert applied(first, "--confirm-within", "10min") == ExitCode.OK
    killed(first)
    with Throwaway() as anew:  # of a boot nothing is left but what is on disk
        booted = Host(anew, tmp_path, 1)
        booted.profile.write_text(first.profile.read_text())
        (tmp_path / "1.key").write_bytes(first.identity.to_pem())
        try:
            booted.start()
            assert mtu(booted) == 1400
        finally:
            if booted.process is not None:
                booted.stop()
    first.command("rollback")


def test_what_nobody_confirmed_stays_refused_until_it_is_confirmed(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    first.write(second, mtu=1300)
    assert applied(first, "--confirm-within", "1s") == ExitCode.OK
    first.hear("nobody confirmed the change in time: going back")
    first.namespace.sh("until ip link show llp0 | grep -q 'mtu 1400'; do :; done")

    refused = first.command("apply")
    assert refused.returncode == ExitCode.WITHHELD
    assert "nobody confirmed this profile in time" in refused.stderr
    assert "--confirm-within 60s" in refused.stderr
    assert [sentence in refused.stderr for sentence in first.status()["profile"]["refused"]] == [True]
    assert first.stop() == ExitCode.OK
    first.start()
    assert mtu(first) == 1400

    assert applied(first, "--confirm-within", "10min") == ExitCode.OK
    assert first.command("confirm").returncode == ExitCode.OK
    killed(first)
    first.start()
    assert mtu(first) == 1300
    assert not first.kept.exists() or list(first.kept.iterdir()) == []


def test_a_rollback_stays_rolled_back(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    assert first.command("rollback").returncode == ExitCode.OK
    assert first.ended() == ExitCode.WITHHELD

    again = first.command("run", str(first.profile))
    assert again.returncode == ExitCode.WITHHELD
    assert "this profile was rolled back" in again.stderr
    assert first.namespace.snapshot() == before

    assert first.command("confirm", "--refused", str(first.profile)).returncode == ExitCode.OK
    first.start()
    first.write(second, mtu=1300)
    assert applied(first) == ExitCode.OK
    assert first.command("rollback").returncode == ExitCode.OK
    assert mtu(first) == 1400
    assert applied(first) == ExitCode.WITHHELD
    killed(first)
    first.start()
    assert mtu(first) == 1400
    assert first.command("confirm", "--refused").returncode == ExitCode.OK
    assert applied(first) == ExitCode.OK
    assert mtu(first) == 1300


@pytest.mark.parametrize("window", ["1s", "10min"])
def test_a_first_profile_that_nobody_confirmed_does_not_start_again(hosts: tuple[Host, Host], window: str) -> None:
    first, _ = hosts
    before = first.namespace.snapshot()
    if window == "1s":
        first.launch("--confirm-within", window)
        assert first.ended() == ExitCode.WITHHELD
    else:
        first.start("--confirm-within", window)
        killed(first)
        first.command("rollback")
    assert first.namespace.snapshot() == before
    again = first.command("run", str(first.profile))
    assert again.returncode == ExitCode.WITHHELD
    assert first.namespace.snapshot() == before
    first.start("--confirm-within", "10min")
    assert first.command("confirm").returncode == ExitCode.OK
    assert first.stop() == ExitCode.OK
    first.start()


def test_an_apply_without_a_daemon_is_on_trial_too(hosts: tuple[Host, Host]) -> None:
    first, _ = hosts
    before = first.namespace.snapshot()
    assert applied(first, str(first.profile), "--confirm-within", "10min") == ExitCode.OK
    waiting = first.command("run", str(first.profile))
    assert waiting.returncode == ExitCode.RETRY, waiting.stderr
    assert first.command("rollback").returncode == ExitCode.OK
    assert first.namespace.snapshot() == before
    for words in (("run",), ("apply",)):
        assert first.command(*words, str(first.profile)).returncode == ExitCode.WITHHELD
    assert applied(first, str(first.profile), "--confirm-within", "10min") == ExitCode.OK
    assert first.command("confirm").returncode == ExitCode.OK
    first.start()
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_profile_that_fails_was_not_on_trial(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    first.write(second, network="routes: [{to: 10.9.0.0/16, device: wire, via: 203.0.113.1}]")
    assert applied(first, "--confirm-within", "10min") == ExitCode.UNFIT
    first.write(second, mtu=1300, listen="udp://203.0.113.9:8443")
    assert applied(first, "--confirm-within", "10min") == ExitCode.FAILURE
    first.write(second)
    killed(first)
    first.start()
    assert first.logged(REFUSED) == []
