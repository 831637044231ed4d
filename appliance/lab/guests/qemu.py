"""The command line of qemu for one guest. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.lab.guests import programs
from appliance.lab.guests.image import Image
from appliance.lab.guests.network_files import FIRST_SLOT, MGMT_SLOT

SSH_PORT: Final = 2222
"""On the loopback of the guest's namespace, so it is the same for all."""
MACHINES: Final = {"amd64": "pc,usb=off", "arm64": "virt"}
"""With `pc`, cards are plugged in by ACPI, which takes no driver of a bridge."""
PROCESSORS: Final = {"amd64": "max", "arm64": "cortex-a72"}
CONSOLES: Final = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
KERNEL_LINE: Final = "console={console} root=/dev/vda rw quiet mitigations=off apparmor=1 security=apparmor"
ACCELERATORS: Final = {"tcg": "tcg,thread=multi,tb-size=256", "kvm": "kvm"}
"""tb-size: megabytes for translated code. qemu takes a gigabyte for each guest unless told so."""
MGMT_MAC: Final = "52:54:00:00:01:01"
"""Nobody else is on that wire."""


class Card(NamedTuple):
    """A network card on a wire of the lab."""

    number: int
    """Its place among the guest's cards, from 0: it has the PCI slot FIRST_SLOT + number."""
    wire: str
    """What the guest calls it."""
    tap: str
    mac: str
    mtu: int
    model: str
    """qemu's name of the card, and properties: "virtio-net-pci,csum=off"."""

    @property
    def backend(self) -> dict[str, Any]:
        """The arguments of `netdev_add`. The tap exists already; qemu changes nothing but its offloads."""
        return {"type": "tap", "id": f"wire{self.number}", "ifname": self.tap, "script": "no", "downscript": "no"}

    @property
    def device(self) -> dict[str, Any]:
        """The arguments of `device_add`."""
        driver, *properties = self.model.split(",")
        more = {
            key: {"on": True, "off": False}.get(value, value) for key, _, value in (each.partition("=") for each in properties)
        }
        place = {"id": f"card{self.number}", "addr": f"{FIRST_SLOT + self.number:x}", "mac": self.mac}
        return {"driver": driver, "netdev": f"wire{self.number}", **place, **more}


class Power(NamedTuple):
    """How one run of qemu begins."""

    memory_megabytes: int
    accelerator: str
    disk: Path
    console: Path
    """Where the serial line is written."""
    control: int
    """The descriptor of the connection over which qemu is told what to do."""
    cards: tuple[Card, ...] = ()
    snapshot: str = ""
    """The internal snapshot to go on from; "" to boot."""


def command(image: Image, power: Power) -> list[str]:
    """The command line.

    cache=writeback: qemu hands each write to the page cache of this machine, which stays when qemu is killed. Such a guest keeps
    what it had flushed, as after a loss of power, and what it had told its disk without flushing. What its own kernel had not
    written out yet is lost.
    """
    words = [
        *(programs.emulator(image.arch), "-machine", MACHINES[image.arch], "-accel", ACCELERATORS[power.accelerator]),
        *("-cpu", "host" if power.accelerator == "kvm" else PROCESSORS[image.arch], "-smp", "1"),
        *("-m", str(power.memory_megabytes), "-nodefaults", "-no-user-config", "-display", "none"),
        *("-chardev", f"socket,id=control,fd={power.control}", "-mon", "chardev=control,mode=control"),
        *("-serial", f"file:{power.console}", "-rtc", "base=utc,clock=host"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initial)),
        *("-append", KERNEL_LINE.format(console=CONSOLES[image.arch])),
        *("-drive", f"file={_escaped(power.disk)},if=none,id=disk,format=qcow2,cache=writeback"),
        *("-device", "virtio-blk-pci,drive=disk,addr=4", "-device", "virtio-rng-pci,addr=5"),
        *("-netdev", f"user,id=mgmt,restrict=on,hostfwd=tcp:127.0.0.1:{SSH_PORT}-:22"),
        *("-device", f"virtio-net-pci,netdev=mgmt,mac={MGMT_MAC},addr={MGMT_SLOT:x},romfile="),
    ]
    if image.arch == "amd64":  # tells a guest that goes on from a snapshot that it is not the only one
        words += ["-device", "vmgenid,guid=auto"]
    for card in power.cards:
        words += ["-netdev", _option(card.backend, "type"), "-device", _option(card.device, "driver")]
    return [*words, *(["-loadvm", power.snapshot] if power.snapshot else [])]


def _option(arguments: dict[str, Any], first: str) -> str:
    """As an option of the command line: its kind, and key=value."""
    written = {key: {True: "on", False: "off"}.get(value, value) for key, value in arguments.items() if key != first}
    return ",".join([arguments[first], *(f"{key}={value}" for key, value in written.items())])


def _escaped(path: Path) -> str:
    """A comma in an option is written twice."""
    return str(path).replace(",", ",,")
