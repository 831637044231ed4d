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
Ending = tuple[int, str, str]
"""Exit code, standard output, standard error."""
PROFILE = f"""\
profile: 1
network: {{addresses: [10.8.0.1/24], routes: [{ROUTES}]}}
plugins: [transport-ip, crypto-standard, routing-static]
"""


def applied_and_sent(host: Cli, number: signal.Signals, ignored: signal.Signals | None = None) -> Ending:
    """How an apply ends that gets a signal at its twentieth step; `ignored` as by nohup, or by a script's shell."""
    prefix = ("env", "--default-signal", *([] if ignored is None else [f"--ignore-signal={ignored.name}"]))
    applying = host.start("apply", host.profile(PROFILE), prefix=prefix)
    assert applying.stderr is not None
    fcntl.fcntl(applying.stderr, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    for line in applying.stderr:
        if line.startswith("[20/"):
            applying.send_signal(number)
            break
    out, err = applying.communicate(timeout=TIMEOUT)
    assert "Traceback" not in err
    return applying.returncode, out, err


@pytest.mark.netns
@pytest.mark.parametrize(
    ("number", "code", "ignored"),
    [
        (signal.SIGINT, 130, None),
        (signal.SIGTERM, 143, signal.SIGINT),
        (signal.SIGHUP, 129, signal.SIGINT),
    ],
    ids=str,
)
def test_an_apply_that_is_ended_undoes_itself(
    host: Cli, namespace: Throwaway, number: signal.Signals, code: int, ignored: signal.Signals | None
) -> None:
    before = namespace.snapshot()
    ended, out, err = applied_and_sent(host, number, ignored)
    assert (ended, out) == (code, ""), err
    assert "undone: " in err
    assert namespace.snapshot() == before
    assert host("rollback").out == "nothing was applied, nothing to undo\n"


@pytest.mark.netns
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=str)
def test_a_signal_that_was_ignored_at_the_start_stays_so(host: Cli, number: signal.Signals) -> None:
    code, out, _ = applied_and_sent(host, number, ignored=number)
    assert code == 0
    assert out.startswith("applied: 1")
    assert host("rollback").code == 0


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
