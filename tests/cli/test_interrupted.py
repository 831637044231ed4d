"""A command that is ended in the middle leaves the host as it was."""

from __future__ import annotations

import fcntl
import signal
import subprocess

import pytest

from tests.cli.conftest import APPLIANCE, TIMEOUT, Cli
from tests.netns.throwaway import Throwaway

ROUTES = ", ".join(f"{{to: 10.{20 + number // 250}.{number % 250}.0/24}}" for number in range(1000))
PIPE_BYTES = 4096
"""So little that the command waits for us to read its progress long before it is done."""
PROFILE = f"""\
profile: 1
network: {{addresses: [10.8.0.1/24], routes: [{ROUTES}]}}
plugins: [transport-ip, crypto-standard, routing-static]
"""


@pytest.mark.netns
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str)
def test_an_apply_that_is_ended_undoes_itself(host: Cli, namespace: Throwaway, number: signal.Signals, code: int) -> None:
    before = namespace.snapshot()
    applying = host.start("apply", host.profile(PROFILE))
    assert applying.stderr is not None
    fcntl.fcntl(applying.stderr, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    for line in applying.stderr:
        if line.startswith("[20/"):
            applying.send_signal(number)
            break
    out, err = applying.communicate(timeout=TIMEOUT)
    assert (applying.returncode, out) == (code, ""), err
    assert "undone: " in err
    assert "Traceback" not in err
    assert namespace.snapshot() == before
    assert host("rollback").out == "nothing was applied, nothing to undo\n"


@pytest.mark.netns
def test_an_apply_whose_terminal_is_gone_goes_on(host: Cli, namespace: Throwaway) -> None:
    applying = host.start("apply", host.profile(PROFILE))
    assert applying.stderr is not None
    assert applying.stdout is not None
    applying.stderr.close()
    applying.stdout.close()
    assert applying.wait(TIMEOUT) in {0, 141}
    assert host("plan", "profile.yaml").code == 0
    assert host("rollback").code == 0


def test_a_reader_that_leaves_early(cli: Cli) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {APPLIANCE} schema | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=cli.directory,
        env=cli.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines()[-1] in {"0", "141"}
