"""What a lab notes on a host, and what apt and dpkg tell it."""

from __future__ import annotations

import pytest

from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.notes import Coming, Notes, coming, installed, read, states

SIMULATED = """\
Reading package lists...
Inst libnftnl11 (1.2.4-2 Debian:12.8/stable [amd64])
Inst nftables (1.0.6-2+deb12u2 Debian:12.8/stable [amd64])
Inst libc6 [2.36-9] (2.36-9+deb12u9 Debian:12.8/stable [amd64]) []
Remv firewalld [1.3.3-1]
Inst appliance (0.1.0-1~deb12u1 local-deb [amd64])
Conf appliance (0.1.0-1~deb12u1 local-deb [amd64])
"""


def test_notes_are_read_as_they_were_written() -> None:
    notes = Notes("lab-1-2-3 on bench", ("appliance",), ("/etc/appliance",), enabled=True, came=("a", "b"), configured=("b",))
    assert read(notes.text()) == notes


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lab": "x"}', '{"lab": 1, "enabled": "x"}', "null"])
def test_what_are_no_notes_is_told(text: str) -> None:
    with pytest.raises(LabFailure, match="cannot be read"):
        read(text)


def test_apt_tells_what_would_come_and_what_would_change() -> None:
    assert coming(SIMULATED) == Coming(("libnftnl11", "nftables", "appliance"), ("libc6", "firewalld"))


def test_a_package_is_there_be_it_in_part() -> None:
    told = "installed bash\nconfig-files nftables\nhalf-configured appliance\nnot-installed gone\n\n"
    assert installed(states(told), ["appliance", "nftables", "gone", "unheard-of", "bash"]) == ["appliance", "bash"]
