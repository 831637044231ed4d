"""A worker that dies again and again: traffic comes back each time, and the node says that it is not well."""

from __future__ import annotations

import os
import signal

import pytest

from appliance.errors import ExitCode
from appliance.runtime.workers.keeper import DEGRADED_AFTER
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns


def test_a_worker_that_dies_often_degrades_the_node_and_traffic_comes_back(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    first.namespace.sh("ping -c 1 -W 1 10.8.0.77", check=False)
    drops = first.status()["drops"]
    assert drops["no_route"] > 0
    for deaths in range(1, DEGRADED_AFTER + 1):
        os.kill(first.status()["worker"]["pid"], signal.SIGKILL)
        first.hear("worker restarted", times=deaths)
    status = first.status()
    assert status["worker"]["restarts"] == DEGRADED_AFTER
    assert status["problems"]["worker"] == "it died several times within a minute"
    assert status["drops"]["no_route"] >= drops["no_route"], "what a dead worker counted counts"
    assert first.command("status").returncode == ExitCode.DEGRADED
    assert first.pings("10.8.0.2")


def test_a_worker_of_another_daemon_that_was_killed_is_ended(hosts: tuple[Host, Host]) -> None:
    first, _ = hosts
    first.start()
    worker = first.status()["worker"]["pid"]
    first.stop(signal.SIGKILL)
    os.kill(worker, 0)
    first.start()
    [line] = first.logged("ended the worker of a daemon that was killed")
    assert line["pid"] == worker
    assert first.status()["worker"]["pid"] != worker


def test_a_stopped_worker_is_replaced(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    worker = first.status()["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    first.hear("worker restarted")
    [line] = first.logged("the worker does not answer; ending it")
    assert (line["pid"], line["working"]) == (worker, False)
    assert first.pings("10.8.0.2")
    assert second.pings("10.8.0.1")
