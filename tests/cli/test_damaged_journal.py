"""A journal that was damaged is an error of every command that needs it, and is kept: the undo is never lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

PROFILE = """\
profile: 1
name: office
server: {identity: file:identity}
network:
  addresses: [10.8.0.1/24]
  routes: [{to: 10.9.0.0/16}]
plugins: [transport-ip, crypto-standard, routing-static]
"""


def test_every_command_refuses_and_none_says_that_all_is_well(host: Cli, namespace: Throwaway, tmp_path: Path) -> None:
    before = namespace.snapshot()
    host("keys", "new", "identity")
    profile = host.profile(PROFILE)
    state = {"APPLIANCE_STATE_DIR": str(tmp_path / "state")}
    assert host("apply", profile, **state).code == 0
    applied = namespace.snapshot()
    journal = tmp_path / "state/journal"
    sound = journal.read_bytes()
    damaged = sound[:-20] + bytes([sound[-20] ^ 4]) + sound[-19:]
    journal.write_bytes(damaged)

    host.profile(PROFILE.replace("10.9.0.0", "10.10.0.0"))
    for words in (("rollback",), ("apply", profile), ("run", profile), ("plan", profile), ("confirm",)):
        refused = host(*words, **state)
        assert (refused.code, refused.out) == (8, ""), words
        assert "the undo journal, is damaged: record" in refused.err
        assert "A reboot makes it void" in refused.err
        assert journal.read_bytes() == damaged
        assert namespace.snapshot() == applied

    journal.write_bytes(sound)
    assert host("rollback", **state).code == 0
    assert namespace.snapshot() == before
