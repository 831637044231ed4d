"""A host that does not cooperate: no privilege, no space, no nft, a rival, a journal from elsewhere."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.apply import engine
from appliance.apply.engine import apply_profile, plan_profile, rollback
from appliance.apply.executor import Progress, Stage
from appliance.errors import ApplyError, ExitCode, HostError, MissingPrivilege, PlanError
from appliance.linux import nftables
from appliance.linux.locks import Busy, hold
from tests.netns.profiles import profile, rich
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

CLONE_NEWNS = 0x00020000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(directory: Path) -> None:
    """Take all the space that is left."""
    with (directory / "filler").open("ab", buffering=0) as file:
        try:
            while file.write(b"\0" * 512):
                pass
        except OSError:
            return


def test_without_privilege_nothing_is_tried(namespace: Throwaway, tmp_path: Path) -> None:
    async def as_nobody() -> int:
        import pyroute2  # noqa: F401 - nobody may not read root's site-packages

        os.setresuid(65534, 65534, 65534)
        plan = await plan_profile(profile(), Path("/nonexistent/state"))
        with pytest.raises(MissingPrivilege, match="CAP_NET_ADMIN") as refusal:
            await apply_profile(profile(), Path("/nonexistent/state"))
        assert plan.steps
        return int(refusal.value.exit_code)

    ended = namespace.fork(as_nobody)
    assert ended.value == ExitCode.PERMISSION, ended


def test_a_disk_that_is_full_before_the_first_step(namespace: Throwaway, small_disk: Path) -> None:
    before = namespace.snapshot()
    fill(small_disk)

    with pytest.raises(HostError, match=r"journal cannot be written|opening"):
        namespace.run(apply_profile, rich(), small_disk / "state")

    assert namespace.snapshot() == before


def test_a_disk_that_fills_up_half_way(namespace: Throwaway, small_disk: Path) -> None:
    before = namespace.snapshot()

    def fill_at_the_fifth(progress: Progress) -> None:
        if progress.stage == Stage.NEXT and progress.number == 5 and not progress.undo:
            fill(small_disk)

    # The journal's last page has room for some more lines, so give it enough to say.
    many = rich(routes=[{"to": f"10.{100 + number // 250}.{number % 250}.0/24"} for number in range(1500)])
    with pytest.raises(ApplyError, match=r"journal cannot be written.*all that had been done was undone"):
        namespace.run(apply_profile, many, small_disk / "state", progress=fill_at_the_fifth)

    assert namespace.snapshot() == before
    assert not (small_disk / "state").exists()


def with_nft(stand_in: str, function: Callable[[], Awaitable[Any]]) -> Awaitable[Any]:
    """Run with another file in nft's place, seen by this process only."""
    assert ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", stand_in, nftables.tool() or "nft"], check=True)
    return function()


def test_without_nft_masquerading_is_refused(namespace: Throwaway, state_dir: Path) -> None:
    async def refusal() -> str:
        with pytest.raises(PlanError) as refusal:
            await plan_profile(rich(), state_dir)
        return f"{refusal.value.message}; {refusal.value.hint}"

    ended = namespace.fork(with_nft, "/dev/null", refusal)
    assert "the command nft, which is not installed" in ended.value
    assert "apt install nftables" in ended.value


def test_without_nft_the_rest_works_and_says_what_it_lacks(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()

    async def apply_and_roll_back() -> tuple[str, ...]:
        forwarding = rich(masquerade=[], forward=True)
        result = await apply_profile(forwarding, state_dir)
        assert not (await apply_profile(forwarding, state_dir)).changed
        await rollback(state_dir)
        return result.plan.warnings

    ended = namespace.fork(with_nft, "/dev/null", apply_and_roll_back)
    assert ended.value[0].endswith("the MSS of forwarded connections is not clamped"), ended
    assert namespace.snapshot() == before


def test_two_at_once_take_turns_and_the_impatient_is_told(
    namespace: Throwaway, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.05)

    async def both() -> None:
        async with hold(state_dir / "lock", patience=0):
            await apply_profile(profile(), state_dir)

    with pytest.raises(Busy) as refusal:
        namespace.run(both)
    assert refusal.value.exit_code == ExitCode.RETRY


def test_two_at_once_end_with_one_apply(namespace: Throwaway, state_dir: Path) -> None:
    async def both() -> list[bool]:
        results = await asyncio.gather(apply_profile(rich(), state_dir), apply_profile(rich(), state_dir))
        return sorted(result.changed for result in results)

    assert namespace.run(both) == [False, True]


def test_a_journal_of_another_namespace_is_left_alone(namespace: Throwaway, state_dir: Path) -> None:
    namespace.run(apply_profile, profile(), state_dir)
    with Throwaway() as other, pytest.raises(HostError, match="another network namespace"):
        other.run(rollback, state_dir)


def test_a_journal_from_before_the_last_boot_is_void(
    namespace: Throwaway, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace.run(apply_profile, profile(), state_dir)
    namespace.sh("ip link del llp0")
    monkeypatch.setattr("appliance.linux.machine.boot_id", lambda: "another boot")

    assert namespace.run(rollback, state_dir).steps == ()
    assert not state_dir.exists()


def test_cancelling_an_apply_undoes_it(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()

    async def cancel_half_way() -> None:
        task = asyncio.current_task()
        assert task is not None
        await apply_profile(rich(), state_dir, progress=lambda p: task.cancel() if p.number == 5 and not p.undo else None)

    with pytest.raises(asyncio.CancelledError):
        namespace.run(cancel_half_way)
    assert namespace.snapshot() == before


def test_an_undo_that_fails_is_kept_for_the_next_run(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, rich(), state_dir)

    async def fail() -> str:
        with pytest.raises(HostError) as refusal:
            await rollback(state_dir)
        return refusal.value.message

    ended = namespace.fork(with_nft, "/bin/false", fail)

    assert "steps could not be undone: nftables table inet appliance: nft failed" in ended.value
    assert [step.do.verb for step in namespace.run(rollback, state_dir).steps] == ["nft.replace"]
    assert namespace.snapshot() == before
