"""A running daemon and profiles that it takes, refuses, or has to give back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns


def mtu(host: Host) -> int:
    [link] = json.loads(host.namespace.sh("ip -j link show dev llp0"))
    return int(link["mtu"])


def test_a_change_that_nobody_confirms_is_taken_back(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    session = first.status()["sessions"][0]["session"]
    first.write(second, mtu=1300)
    assert first.command("apply", "--confirm-within", "12s").returncode == ExitCode.OK  # three more commands fit
    assert mtu(first) == 1300
    status = first.status()
    assert 0 < status["confirm_by"] <= 12
    assert first.command("apply").returncode == ExitCode.RETRY, "the first change still awaits its confirmation"
    first.hear("nobody confirmed the change in time: going back")
    first.namespace.sh("until ip link show llp0 | grep -q 'mtu 1400'; do :; done")
    assert first.command("confirm").returncode == ExitCode.FAILURE, "too late"
    status = first.status()
    assert status["confirm_by"] is None
    assert status["interface"]["mtu"] == 1400
    assert status["sessions"][0]["session"] == session


def test_a_change_that_is_confirmed_stays(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    first.write(second, mtu=1300)
    assert first.command("apply", "--confirm-within", "60s").returncode == ExitCode.OK
    assert first.command("confirm").returncode == ExitCode.OK
    assert first.status()["confirm_by"] is None
    assert mtu(first) == 1300


def test_a_first_start_that_nobody_confirms_ends(hosts: tuple[Host, Host]) -> None:
    first, _ = hosts
    before = first.namespace.snapshot()
    answer = first.command("run", str(first.profile), "--confirm-within", "1s")
    assert answer.returncode == ExitCode.WITHHELD, answer.stderr
    assert first.namespace.snapshot() == before


def test_rolling_back_the_only_profile_ends_the_daemon(hosts: tuple[Host, Host]) -> None:
    first, _ = hosts
    before = first.namespace.snapshot()
    first.start()
    answer = first.command("rollback", "--json")
    assert json.loads(answer.stdout)["stopping"] is True
    assert first.ended() == ExitCode.WITHHELD
    assert first.namespace.snapshot() == before


def test_sighup_with_a_bad_profile_keeps_the_old_one(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    assert first.process is not None
    first.profile.write_text("profile: 1\nnetwork: {mtu: 3, addresses: [here]}\n")
    first.process.send_signal(signal.SIGHUP)
    first.hear("the profile was not taken over; the one before stays")
    [line] = first.logged("the profile was not taken over; the one before stays")
    assert "network.addresses" in line["reason"]
    assert "network.mtu" in line["reason"]
    assert first.status()["state"] == "running"
    first.write(second, mtu=1300)
    first.process.send_signal(signal.SIGHUP)
    first.hear("profile reloaded")
    assert mtu(first) == 1300


def test_a_profile_that_takes_long_to_judge_holds_nothing_up(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    kept = first.profile.read_text()
    first.profile.write_text(kept + "x: [" + "1, " * 100_000 + "]\n")
    words = [*first.entering, sys.executable, "-P", "-m", "appliance.cli", "apply"]
    reload = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.status()["sessions"]
    assert reload.poll() is None, "it was judged before status answered"
    assert first.pings("10.8.0.2")
    out, err = reload.communicate(timeout=120)
    assert reload.returncode == ExitCode.INVALID, out + err
    assert "unknown key" in err
    first.profile.write_text(kept)
    assert first.command("apply").returncode == ExitCode.OK


def test_what_a_running_daemon_cannot_change_is_said(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    first.write(second, mtu=1300, more="crypto: {lab: true}")
    answer = first.command("apply")
    assert answer.returncode == ExitCode.INVALID
    assert "a running daemon cannot change crypto.lab" in answer.stderr
    assert mtu(first) == 1400


def test_a_port_that_cannot_be_had_changes_nothing(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    before = first.status()["listen"]
    first.write(second, mtu=1300, listen="udp://0.0.0.0:9443, udp://203.0.113.9:8443")
    answer = first.command("apply")
    assert answer.returncode == ExitCode.FAILURE
    assert "this host has no address 203.0.113.9" in answer.stderr
    assert sorted(first.status()["listen"]) == sorted(before)
    assert mtu(first) == 1400


def test_a_listener_that_goes_and_comes_back_finds_its_peers_still_there(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    session = first.status()["sessions"][0]["session"]
    for listen in ("tcp://0.0.0.0:8443", "udp://0.0.0.0:8443", "udp://192.0.2.1:8443"):
        first.write(second, listen=listen)
        answer = first.command("apply")
        assert answer.returncode == ExitCode.OK, answer.stderr
        assert first.status()["listen"] == [listen]
    assert first.pings("10.8.0.2")
    assert first.status()["sessions"][0]["session"] == session


def test_a_host_that_refuses_leaves_everything_as_it_was(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    session = first.status()["sessions"][0]["session"]
    before = first.namespace.snapshot()
    for interface in ("llp0", "over0"):
        first.write(
            second,
            interface=interface,
            listen="udp://0.0.0.0:9443",
            network="routes: [{to: 10.9.0.0/16, device: wire, via: 203.0.113.1}]",
        )
        answer = first.command("apply")
        assert answer.returncode == ExitCode.UNFIT, answer.stderr
        assert first.namespace.snapshot() == before
        assert first.status()["sessions"][0]["session"] == session
        assert first.status()["listen"] == ["udp://0.0.0.0:8443", "tcp://0.0.0.0:8443"]


def test_what_was_asked_of_a_stopped_daemon_is_not_done_later(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    assert first.process is not None
    first.write(second, mtu=1300)
    first.process.send_signal(signal.SIGSTOP)
    try:
        answer = first.command("apply", str(first.profile))
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert answer.returncode == ExitCode.RETRY
    assert "did not answer within 5 s" in answer.stderr
    assert first.status()["ready"], "it has read all that was asked before"
    assert mtu(first) == 1400
    assert first.command("apply", str(first.profile)).returncode == ExitCode.OK
    assert mtu(first) == 1300
