from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from appliance.members.invitation import Invitation, State, Terms
from appliance.runtime.members.invitation_files import InvitationFiles

FULL = Terms("laptop", ("staff",), ("192.0.2.0/24",), exit=True, roles=("relay",))
ONE = Invitation.of(bytes(16), FULL, 100, 200, 3)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    files = InvitationFiles(tmp_path)
    assert files.load() == []
    files.keep(ONE)
    files.keep(Invitation.of(b"x" * 16, Terms("phone"), 100, 200).with_end(State.BURNT))
    files.keep(changed := ONE.with_issued("llp1:x", b"certificate"))
    loaded = {invitation.number: invitation for invitation in InvitationFiles(tmp_path).load()}
    assert len(loaded) == 2
    assert loaded[ONE.number] == changed
    files.forget(ONE)
    assert [invitation.ended for invitation in files.load()] == [State.BURNT]


def test_only_the_nodes_user_reads_them(tmp_path: Path) -> None:
    InvitationFiles(tmp_path).keep(ONE)
    for path in tmp_path.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"number":"zz"}', b"[" * 100_000, b"\xff"])
def test_a_damaged_file_invites_nobody_and_spoils_nothing_else(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    files = InvitationFiles(tmp_path)
    files.keep(ONE)
    (tmp_path / "invitations" / "0000000000000000.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert files.load() == [ONE]
    assert "damaged" in caplog.text


def test_half_a_file_that_a_power_cut_left_is_not_read(tmp_path: Path) -> None:
    files = InvitationFiles(tmp_path)
    files.keep(ONE)
    (tmp_path / "invitations" / f"{ONE.number.hex()}.json.part").write_bytes(b"half")
    assert files.load() == [ONE]
    files.keep(ONE)
    assert files.load() == [ONE]
