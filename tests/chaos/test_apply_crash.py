"""kill -9 of an apply or rollback at every step: whatever comes next leaves the host exactly as it was."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rigs import resolved

from appliance.api.profile import Profile
from appliance.apply.engine import apply_profile, plan_profile, recover, rollback
from appliance.apply.executor import Progress
from tests.netns.profiles import profile, rich
from tests.netns.throwaway import Throwaway, kill_myself

pytestmark = pytest.mark.netns

ROUNDS = 50
DEADLY = """#!/bin/sh
changes() {{ [ "$1" = revert ] || [ $# -gt 2 ]; }}
if changes "$@" && [ "$DEADLY" = "before $1" ]; then kill -9 $PPID; exit 1; fi
{real} "$@"; code=$?
if changes "$@" && [ "$DEADLY" = "after $1" ]; then kill -9 $PPID; fi
exit $code
"""
"""A resolvectl that kills who uses it."""
CHANGED = {"addresses": ["10.8.0.1/24", "10.9.0.1/24"], "mtu": 1300, "masquerade": [], "rules": [], "sysctls": {}}


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Throwaway]:
    """With an /etc/resolv.conf of its own that is longer than what a node writes, so that a write has two halves."""
    file = tmp_path / "resolv.conf"
    file.write_text("# the admin's\nnameserver 192.0.2.53\noptions attempts:3\n" + 20 * "# and some words more\n")
    with Throwaway(file) as made:
        yield made


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def dying_at(event: int) -> Callable[[Progress], None]:
    """A listener that kills its process at the nth thing it is told."""
    left = [event]

    def listen(_progress: Progress) -> None:
        left[0] -= 1
        if left[0] == 0:
            kill_myself()

    return listen


async def apply_and_die(profile: Profile, state_dir: Path, event: int) -> None:
    await apply_profile(profile, state_dir, progress=dying_at(event))


async def rollback_and_die(state_dir: Path, event: int) -> None:
    await rollback(state_dir, progress=dying_at(event))


async def tell_no_secrets(function: Callable[..., object], *arguments: object) -> None:
    """Run it for its effect: results need not be picklable."""
    await function(*arguments)  # type: ignore[misc]


def killed(namespace: Throwaway, function: Callable[..., object], *arguments: object) -> bool:
    """Run it in a child. False when it ended by itself, because there were fewer events."""
    ended = namespace.fork(tell_no_secrets, function, *arguments)
    assert ended.error is None, ended.error
    return ended.signal == signal.SIGKILL


def every_event(long_form: bool) -> Iterator[int]:
    """Each moment at which a run can die; a third of them, different ones each time, in the short form."""
    event = 1
    while True:
        yield event
        event += 1 if long_form else random.randint(2, 4)


def test_apply_killed_at_every_step_then_rolled_back(namespace: Throwaway, state_dir: Path, long_form: bool) -> None:
    before = namespace.snapshot()
    for event in every_event(long_form):
        if not killed(namespace, apply_and_die, rich(), state_dir, event):
            break
        namespace.run(rollback, state_dir)
        assert namespace.snapshot() == before, f"killed at event {event}"
        assert not state_dir.exists()
    assert event > 40
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_apply_killed_at_every_step_then_applied_again(namespace: Throwaway, state_dir: Path, long_form: bool) -> None:
    before = namespace.snapshot()
    for event in every_event(long_form):
        if not killed(namespace, apply_and_die, rich(), state_dir, event):
            break
        namespace.run(apply_profile, rich(), state_dir)
        assert namespace.run(plan_profile, rich(), state_dir).steps == (), f"killed at event {event}"
        namespace.run(rollback, state_dir)
        assert namespace.snapshot() == before, f"killed at event {event}"
    namespace.run(rollback, state_dir)


def test_a_change_killed_at_every_step_is_recovered_to_what_was_applied_before(
    namespace: Throwaway, state_dir: Path, long_form: bool
) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, rich(), state_dir)
    applied = namespace.snapshot()
    assert applied["resolver"] != before["resolver"]
    for event in every_event(long_form):
        if not killed(namespace, apply_and_die, rich(**CHANGED), state_dir, event):
            break
        namespace.run(recover, state_dir)
        assert namespace.run(plan_profile, rich(), state_dir).steps == ()
        assert namespace.snapshot() == applied, f"killed at event {event}"
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_rollback_killed_at_every_step_is_completed_by_the_next(namespace: Throwaway, state_dir: Path, long_form: bool) -> None:
    before = namespace.snapshot()
    for event in every_event(long_form):
        namespace.run(apply_profile, rich(), state_dir)
        if not killed(namespace, rollback_and_die, state_dir, event):
            break
        namespace.run(recover, state_dir)
        assert namespace.snapshot() == before, f"killed at event {event}"
        assert not state_dir.exists()


def with_alarm(seconds: float, function: Callable[..., object], *arguments: object) -> object:
    """Let the kernel end this process after so long, between any two instructions, as kill -9 would."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return tell_no_secrets(function, *arguments)


@pytest.mark.skipif(resolved.folders() is None, reason="no systemd-resolved (make setup unpacks it) or no dbus-daemon")
def test_whoever_is_killed_while_it_tells_systemd_resolved_is_undone(
    namespace: Throwaway, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each of the commands that tell a real one, and of those that take it back."""
    wanted, without = profile(names={"label": "home"}), profile()
    deadly = tmp_path / "resolvectl"
    with resolved.running(namespace.name) as (entering, variables):
        namespace.resolver, namespace.mounts = None, Path(entering[-1].removeprefix("--mount="))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        real = shutil.which("resolvectl", path=variables["PATH"])
        deadly.write_text(DEADLY.format(real=real))
        deadly.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{variables['PATH']}")
        before = namespace.snapshot(), namespace.run(asked)

        for word, when in itertools.product(("default-route", "domain", "dns"), ("before", "after")):
            monkeypatch.setenv("DEADLY", f"{when} {word}")
            assert namespace.fork(tell_no_secrets, apply_profile, wanted, state_dir).signal == signal.SIGKILL
            namespace.run(rollback, state_dir)
            assert (namespace.snapshot(), namespace.run(asked)) == before, f"killed {when} {word}"
        for when in ("before", "after"):
            monkeypatch.setenv("DEADLY", "never")
            namespace.run(apply_profile, wanted, state_dir)
            applied = namespace.run(asked)
            assert "10.8.0.1" in applied
            monkeypatch.setenv("DEADLY", f"{when} revert")
            assert namespace.fork(tell_no_secrets, apply_profile, without, state_dir).signal == signal.SIGKILL
            monkeypatch.setenv("DEADLY", "never")
            namespace.run(recover, state_dir)
            assert namespace.run(asked) == applied, f"killed {when} it was reverted"
            namespace.run(rollback, state_dir)
        assert (namespace.snapshot(), namespace.run(asked)) == before


def asked() -> str:
    """Whom systemd-resolved asks, and about what."""
    return "".join(
        subprocess.run(["resolvectl", word], capture_output=True, text=True, check=True).stdout for word in ("dns", "domain")
    )


def test_killed_at_any_instant(namespace: Throwaway, state_dir: Path, long_form: bool) -> None:
    before = namespace.snapshot()
    for _ in range(ROUNDS if long_form else 10):
        instant = random.uniform(0.005, 0.25)
        namespace.fork(with_alarm, instant, apply_profile, rich(), state_dir)
        namespace.fork(with_alarm, random.uniform(0.005, 0.1), rollback, state_dir)
        namespace.run(rollback, state_dir)
        assert namespace.snapshot() == before, f"killed after {instant} s"
        assert not state_dir.exists()


@pytest.mark.slow
def test_killed_again_and_again_at_random(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    for _ in range(ROUNDS):
        for _ in range(random.randint(1, 4)):
            wanted = random.choice([rich(), rich(**CHANGED), rich(interface="over0", sysctls={})])
            killed(namespace, apply_and_die, wanted, state_dir, random.randint(1, 80))
            if random.random() < 0.5:
                killed(namespace, rollback_and_die, state_dir, random.randint(1, 60))
        namespace.run(rollback, state_dir)
        assert namespace.snapshot() == before
        assert not state_dir.exists()
