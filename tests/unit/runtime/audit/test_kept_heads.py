"""Heads of other nodes on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.management.audit.head import Head, SignedHead, sign
from appliance.management.audit.keeping import Taken
from appliance.protocol.identity import Identity
from appliance.runtime.audit import kept_heads
from appliance.runtime.audit.kept_heads import KeptHeads

A, B = (Identity.from_seeds(bytes([number]) * 32, bytes([number + 1]) * 32) for number in (1, 3))


def head(identity: Identity, number: int) -> SignedHead:
    return sign(Head("0b" * 16, number, bytes(32), number), identity)


async def opened(folder: Path) -> KeptHeads:
    kept = KeptHeads(folder)
    await kept.open()
    return kept


async def test_they_outlive_the_process(tmp_path: Path) -> None:
    kept = await opened(tmp_path)
    assert [kept.take(head(A, number)) for number in (1, 5)] == [Taken.NEW] * 2
    assert kept.take(head(B, 3)) is Taken.NEW
    await kept.close()
    again = await opened(tmp_path)
    assert [each.head.number for each in again.of(A.fingerprint).all] == [1, 5]
    assert sorted((each.node, each.head.number) for each in again.all()) == sorted(
        [(A.fingerprint, 1), (A.fingerprint, 5), (B.fingerprint, 3)]
    )
    assert again.of("llp1:nobody").all == ()
    await again.close()


async def test_a_damaged_file_is_left_out(tmp_path: Path) -> None:
    kept = await opened(tmp_path)
    kept.take(head(A, 1))
    kept.take(head(B, 1))
    await kept.close()
    (tmp_path / "heads" / f"{A.fingerprint.removeprefix('llp1:')}.heads").write_bytes(b"x" * 100)
    again = await opened(tmp_path)
    assert [each.node for each in again.all()] == [B.fingerprint]
    await again.close()


async def test_nobody_pushes_out_what_is_kept_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_heads, "MOST_NODES", 1)
    kept = await opened(tmp_path)
    assert (kept.take(head(A, 1)), kept.take(head(B, 1)), kept.take(head(A, 2))) == (Taken.NEW, Taken.FULL, Taken.NEW)
    await kept.close()


async def test_a_disk_that_takes_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "heads").write_text("in the way")
    kept = await opened(tmp_path)
    assert kept.take(head(A, 1)) is Taken.NEW
    await kept.close()
    assert len(kept.of(A.fingerprint).all) == 1
