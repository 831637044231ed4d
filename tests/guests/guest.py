"""One guest: a virtual machine under qemu, without KVM, that is spoken to by ssh.

A guest's disk is a layer over the image and keeps what was written through `lose_power` and `boot`, as a real one does.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.guests.image import MAC, WIRES, Image

BOOT_SECONDS = 600.0
"""For a boot until ssh takes a command: half a minute where nothing else runs."""
COMMAND_SECONDS = 400.0
MEMORY_MEGABYTES = 448
KERNEL_LINE = "console=ttyS0 root=/dev/vda rw quiet mitigations=off systemd.hostname={name}"


class Unreachable(Exception):
    """A guest that does not come up, or does not answer."""


class Guest:
    """`card` is qemu's name of the network card on the wire, on which the guest is `number` of two."""

    def __init__(self, name: str, number: int, card: str, image: Image, folder: Path) -> None:
        self.name = name
        self._number = number
        self._card = card
        self._image = image
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._disk = folder / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "qcow2", self._disk], check=True)

    def power_on(self) -> None:
        """Start the machine; `wait` waits until it can be spoken to."""
        self._wire(self._number).unlink(missing_ok=True)
        with (self._folder / f"{self.name}.qemu").open("wb") as words:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=words, stderr=words)

    def wait(self) -> float:
        """Wait until commands are taken. Returns the seconds that took."""
        begun = time.monotonic()
        while time.monotonic() - begun < BOOT_SECONDS:
            if self._process is None or self._process.poll() is not None:
                raise Unreachable(f"{self.name}: qemu has ended: {(self._folder / f'{self.name}.qemu').read_text()}")
            if self._greets() and self._ssh("true", 60).returncode == 0:
                return time.monotonic() - begun
            time.sleep(1)
        raise Unreachable(f"{self.name}: {(self._folder / f'{self.name}.console').read_text()[-2000:]}")

    def lose_power(self) -> None:
        """Stop the machine between two instructions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def boot_again(self) -> None:
        """Lose power, and come up again."""
        self.lose_power()
        self.power_on()
        self.wait()

    def run(self, script: str, *, check: bool = True, patience: float = COMMAND_SECONDS) -> str:
        """Run a shell script as root; what it printed. Raises Unreachable when it fails and that is not expected."""
        done = self._ssh(script, patience)
        if check and done.returncode:
            raise Unreachable(f"{self.name}: {script!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def code(self, script: str) -> int:
        """Run a shell script as root; its exit code."""
        return self._ssh(script, COMMAND_SECONDS).returncode

    def until(self, script: str, seconds: float = 400.0) -> float:
        """Wait until a script succeeds. Returns the seconds that took."""
        begun = time.monotonic()
        while self.code(script):
            if time.monotonic() - begun > seconds:
                raise Unreachable(f"{self.name}: not within {seconds:g} s: {script}")
            time.sleep(0.5)
        return time.monotonic() - begun

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file, durably."""
        script = f"install -D -m {mode} /dev/stdin {path} && sync"
        subprocess.run([*self._ssh_words(), script], input=text, text=True, check=True, timeout=COMMAND_SECONDS)

    def _ssh(self, script: str, patience: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._ssh_words(), script], capture_output=True, text=True, timeout=patience, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess((), 255, "", f"no answer within {patience:g} s")

    def _ssh_words(self) -> list[str]:
        quiet = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=30")
        options = [word for option in quiet for word in ("-o", option)]
        return ["ssh", "-p", str(self._port), "-i", str(self._image.key), *options, "root@127.0.0.1"]

    def _greets(self) -> bool:
        """Does sshd greet? qemu itself takes connections long before."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), 5) as connection:
                connection.settimeout(5)
                return connection.recv(4).startswith(b"SSH")
        except OSError:
            return False

    def _wire(self, number: int) -> Path:
        return self._folder / f"wire-{number}"

    def _command(self) -> list[str]:
        mgmt, wan = (MAC.format(wire=WIRES[wire], number=self._number) for wire in ("mgmt", "wan"))
        ends = (
            f"local.type=unix,local.path={self._wire(self._number)},remote.type=unix,remote.path={self._wire(3 - self._number)}"
        )
        return [
            *("qemu-system-x86_64", "-machine", "q35,usb=off", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1"),
            *("-m", str(MEMORY_MEGABYTES), "-nodefaults", "-no-user-config", "-display", "none"),
            *("-serial", f"file:{self._folder / f'{self.name}.console'}"),
            *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initial)),
            *("-append", KERNEL_LINE.format(name=self.name)),
            *("-drive", f"file={self._disk},if=virtio,format=qcow2,cache=writeback", "-device", "virtio-rng-pci"),
            *("-netdev", f"user,id=mgmt,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
            *("-device", f"virtio-net-pci,netdev=mgmt,mac={mgmt}"),
            *("-netdev", f"dgram,id=wan,{ends}", "-device", f"{self._card},netdev=wan,mac={wan}"),
        ]


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
