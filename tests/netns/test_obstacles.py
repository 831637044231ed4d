"""A host that does not cooperate: no privilege, no space, no nft, a rival, a journal from elsewhere."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.apply import Progress, Stage, apply_profile, plan_profile, rollback
from appliance.apply import engine
from appliance.errors import ApplyError, ExitCode, HostError, MissingPrivilege, PlanError
from appliance.linux.locks import Busy, hold
from tests.netns.profiles import profile, rich
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
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
        os.setresuid(65534, 65534, 65534)
        plan = await plan_profile(profile(), Path("/nonexistent/state"))
        try:
            await apply_profile(profile(), Path("/nonexistent/state"))
        except MissingPrivilege as error:
            assert "root" in error.hint
            return int(error.exit_code) * 100 + len(plan.steps)
        return 0

    ended = namespace.fork(as_nobody)
    assert ended.value == ExitCode.PERMISSION * 100 + 4, ended


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
    many = rich(routes=[{"to": f"10.77.{number}.0/24"} for number in range(100)])
    with pytest.raises(ApplyError, match="journal cannot be written.*all that had been done was undone"):
        namespace.run(apply_profile, many, small_disk / "state", progress=fill_at_the_fifth)

    assert namespace.snapshot() == before
    assert not (small_disk / "state").exists()


def test_without_nft_only_masquerading_is_refused(
    namespace: Throwaway, state_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("appliance.linux.nftables.shutil.which", lambda *_names, **_more: None)

    with pytest.raises(PlanError, match="nft, which is not installed") as refusal:
        namespace.run(apply_profile, rich(), state_dir)
    assert "apt install nftables" in refusal.value.hint

    forwarding = rich(masquerade=[], forward=True)
    result = namespace.run(apply_profile, forwarding, state_dir)
    assert "is not clamped" in result.plan.warnings[0]
    namespace.run(rollback, state_dir)


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
    monkeypatch.setattr("appliance.linux.host.boot_id", lambda: "another boot")

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


def test_an_undo_that_fails_is_kept_for_the_next_run(
    namespace: Throwaway, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, rich(), state_dir)
    monkeypatch.setattr("appliance.linux.nftables.shutil.which", lambda *_names, **_more: "/bin/false")

    with pytest.raises(HostError, match=r"1 of \d+ steps could not be undone: nftables table"):
        namespace.run(rollback, state_dir)

    monkeypatch.undo()
    assert [step.do.verb for step in namespace.run(rollback, state_dir).steps] == ["nft.replace"]
    assert namespace.snapshot() == before
