from __future__ import annotations

import itertools
from pathlib import Path

from appliance.lab.guests.image import Image
from appliance.lab.guests.qemu import Card, Power, command

CACHE = Path("/cache")
BOOKWORM = Image(
    "bookworm", "amd64", CACHE / "kernel", CACHE / "initial.cpio", CACHE / "disk.qcow2", CACHE / "ready", CACHE / "key"
)
POWER = Power(448, "tcg", Path("/lab/left,1/disk.qcow2"), Path("/lab/console.log"), 7)
WAN = Card(0, "wan", "tap5", "52:54:00:00:02:01", 1500, "virtio-net-pci,csum=off,host_mtu=1400")
DMZ = Card(1, "dmz", "tap6", "52:54:00:00:02:02", 1500, "e1000")


def test_a_boot_has_its_cards_on_the_command_line() -> None:
    words = command(BOOKWORM, POWER._replace(cards=(WAN, DMZ)))
    assert words[0] == "qemu-system-x86_64"
    assert options(words, "-netdev")[1:] == [
        "tap,id=wire0,ifname=tap5,script=no,downscript=no",
        "tap,id=wire1,ifname=tap6,script=no,downscript=no",
    ]
    assert options(words, "-device")[-2:] == [
        "virtio-net-pci,netdev=wire0,id=card0,addr=10,mac=52:54:00:00:02:01,csum=off,host_mtu=1400",
        "e1000,netdev=wire1,id=card1,addr=11,mac=52:54:00:00:02:02",
    ]
    assert "-loadvm" not in words


def test_a_restored_machine_is_the_one_that_was_saved() -> None:
    booted, restored = command(BOOKWORM, POWER), command(BOOKWORM, POWER._replace(snapshot="ready"))
    assert restored == [*booted, "-loadvm", "ready"]


def test_a_card_is_plugged_in_with_typed_properties() -> None:
    assert WAN.backend == {"type": "tap", "id": "wire0", "ifname": "tap5", "script": "no", "downscript": "no"}
    assert WAN.device == {
        "driver": "virtio-net-pci",
        "netdev": "wire0",
        "id": "card0",
        "addr": "10",
        "mac": "52:54:00:00:02:01",
        "csum": False,
        "host_mtu": "1400",
    }


def test_ssh_reaches_the_guest_and_the_guest_nothing() -> None:
    [mgmt] = options(command(BOOKWORM, POWER), "-netdev")
    assert mgmt == "user,id=mgmt,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"


def test_a_comma_in_a_path_does_not_begin_an_option() -> None:
    [drive] = options(command(BOOKWORM, POWER), "-drive")
    assert drive.startswith("file=/lab/left,,1/disk.qcow2,if=none,")


def test_an_arm_guest_has_its_own_machine() -> None:
    words = command(BOOKWORM._replace(arch="arm64"), POWER)
    assert words[0] == "qemu-system-aarch64"
    assert options(words, "-machine") == ["virt"]
    assert "console=ttyAMA0" in options(words, "-append")[0]
    assert "vmgenid,guid=auto" not in words


def test_the_hosts_own_processor_is_used_when_asked_for() -> None:
    words = command(BOOKWORM, POWER._replace(accelerator="kvm"))
    assert options(words, "-accel") == ["kvm"]
    assert options(words, "-cpu") == ["host"]


def options(words: list[str], name: str) -> list[str]:
    """The values of an option, in order."""
    return [value for word, value in itertools.pairwise(words) if word == name]
