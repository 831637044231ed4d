"""What is asked for by `--on vms…`, and what is looked at before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from appliance.errors import HostError, ProfileError
from appliance.lab import guest_rig
from appliance.lab.guest_rig import Guests
from appliance.lab.loading import load
from appliance.lab.packages import Packages

PAIR = Path(__file__).parents[3] / "profiles/lab/pair.yaml"


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "bookworm (amd64)"), ("trixie", "trixie (amd64)"), ("trixie/arm64", "trixie (arm64)"), ("/arm64", "bookworm (arm64)")],
)
def test_a_release_and_a_processor_can_be_named(name: str, told: str) -> None:
    assert f"Debian {told}" in Guests.named(name, Packages()).describe()


@pytest.mark.parametrize("name", ["buster", "trixie/riscv64", "trixie/arm64/more"])
def test_what_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ProfileError, match="there are no guests with Debian") as caught:
        Guests.named(name, Packages())
    assert "bookworm, trixie" in caught.value.hint


class Usage(NamedTuple):
    """As shutil.disk_usage gives it."""

    free: int


def test_room_for_the_disks_is_looked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_rig, "sweep", list)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * guest_rig.GUEST_BYTES - 1))
    with pytest.raises(HostError, match="MB left; the disks of 2 virtual machines take 600") as caught:
        Guests(Packages()).prepare(load(PAIR), print)
    assert "TMPDIR" in caught.value.hint
