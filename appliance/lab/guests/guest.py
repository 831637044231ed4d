"""One guest: a virtual machine under qemu inside a network namespace, which is spoken to by ssh.

Its disk is a layer over the image's, and keeps what was written through `cut_power` and `power_on` as a real one does.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.api.values import Interface
from appliance.errors import HostError
from appliance.foundation import clock, entropy
from appliance.lab.guests import image as images
from appliance.lab.guests import inside, network_files, programs, qemu
from appliance.lab.guests.image import Image
from appliance.lab.guests.line import Line
from appliance.lab.guests.monitor import Monitor
from appliance.lab.namespace import Namespace
from appliance.linux import locks

READY: Final = "ready"
"""The internal snapshot of each image's snapshot file."""
BOOT_SECONDS: Final = 600.0
"""For a boot until ssh takes a command: half a minute where nothing else runs."""
COMMAND_SECONDS: Final = 300.0
END_SECONDS: Final = 60.0
TOLD_LINES: Final = 25
SEED_BYTES: Final = 64


class Guest:
    """One machine. To be used by one thread at a time, but for `cut_power`, which ends what another one waits for.

    The folder belongs to the guest, and stays after `remove`, with console.log, qemu.log and the disk.
    """

    def __init__(
        self,
        name: str,
        image: Image,
        folder: Path,
        namespace: Namespace,
        *,
        memory: int = images.MEMORY_MEGABYTES,
        card: str = "virtio-net-pci",
        tag_env: Mapping[str, str],
        accel: str = "tcg",
    ) -> None:
        """`folder` exists. `memory` is in megabytes; `card` is qemu's name of the cards on wires, with properties if wanted.
        `tag_env` is all of the environment that its processes have. Raises HostError if the image is being removed."""
        self.name = name
        self.image = image
        self.folder = folder
        self.namespace = namespace
        self._memory = memory
        self._model = card
        self._environ = {"PATH": programs.PATH, **tag_env}
        self._accelerator = accel
        self._disk = folder / "disk.qcow2"
        self._cards: list[qemu.Card] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None
        self._line = Line(name, image.key, folder, namespace, self._environ)
        self._lease = locks.share(image.disk.with_name(images.IN_USE))
        if self._lease is None:
            raise HostError(f"the image {image.disk.parent} is being removed by another lab", hint="run it again")

    # --- cards ----------------------------------------------------------------------------------------------------------------

    def connect_card(self, tap: str, mac: str, *, wire: str, mtu: int = 1500) -> None:
        """A network card on the wire that leads to `tap`, which `taps.join` made. The guest calls it `wire` once it is settled,
        and its MTU is the wire's. A guest that runs gets it at once; others when they are started. Raises HostError."""
        if len(self._cards) == network_files.MOST_CARDS:
            raise HostError(f"{self.name}: a guest has at most {network_files.MOST_CARDS} wires")
        card = qemu.Card(len(self._cards), wire, tap, mac, mtu, self._model)
        self._cards.append(card)
        if self.running:
            self._plug_in(card)

    def _plug_in(self, card: qemu.Card) -> None:
        self.monitor.execute("netdev_add", card.backend)
        self.monitor.execute("device_add", card.device)

    # --- power ----------------------------------------------------------------------------------------------------------------

    @property
    def can_restore(self) -> bool:
        """Is there a snapshot of a machine like this one?"""
        return self.image.snapshot is not None and self._memory == images.MEMORY_MEGABYTES

    def restore(self) -> None:
        """Go on from the image's snapshot, on a new disk, with all cards plugged in. `wait` and `settle` come next. Raises
        HostError."""
        if self.image.snapshot is None or not self.can_restore:
            raise HostError(f"{self.name}: there is no snapshot of a machine of this kind", hint="power_on() boots it")
        programs.run("cp", "--reflink=auto", "--sparse=always", self.image.snapshot, self._disk)
        self._start(snapshot=READY)
        for card in self._cards:
            self._plug_in(card)

    def power_on(self) -> None:
        """Boot from its disk, which is made if there is none yet. `wait` comes next. Raises HostError."""
        if not self._disk.exists():
            programs.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image.disk, "-F", "qcow2", self._disk)
        self._start(cards=tuple(self._cards))

    def _start(self, *, cards: tuple[qemu.Card, ...] = (), snapshot: str = "") -> None:
        assert not self.running, "cut_power() first"
        ours, its = socket.socketpair()
        console = self.folder / "console.log"
        power = qemu.Power(self._memory, self._accelerator, self._disk, console, its.fileno(), cards, snapshot)
        try:
            with (self.folder / "qemu.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self.namespace.enter(qemu.command(self.image, power)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environ,
                    pass_fds=(its.fileno(),),
                    start_new_session=True,  # a Ctrl-C is for the lab
                )
        finally:
            its.close()
        self._monitor = Monitor(ours, self.name)
        try:
            self._monitor.execute("query-status", timeout=BOOT_SECONDS)
        except HostError as error:
            self.cut_power()
            raise HostError(f"{self.name} does not start: {error.message}: {self._tail('qemu.log')}") from None

    @property
    def running(self) -> bool:
        """Is there a machine, be it paused?"""
        return self._process is not None and self._process.poll() is None

    def cut_power(self) -> None:
        """Stop the machine between two instructions. What it has not flushed to its disk is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_SECONDS)
        self._line.hang_up()
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None

    def pause(self) -> None:
        """A suspend, as the guest sees it: nothing runs, and its clock stands still. Raises HostError."""
        self.monitor.execute("stop")

    def resume(self) -> None:
        """Go on after `pause`. Raises HostError."""
        self.monitor.execute("cont")

    def remove(self) -> None:
        """Cut the power, and let the image go. The guest is of no use afterwards."""
        self.cut_power()
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    @property
    def monitor(self) -> Monitor:
        """The connection to qemu. Raises HostError if there is no machine."""
        if self._monitor is None or not self.running:
            raise HostError(f"{self.name} is not running: {self._tail('qemu.log')}")
        return self._monitor

    # --- speaking to it -------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float = BOOT_SECONDS) -> None:
        """Until ssh takes a command. Raises HostError if it does not by then, or the machine ends."""
        end = clock.monotonic() + seconds
        while not self._line.open(end):
            if not self.running:
                raise HostError(f"{self.name}: qemu has ended: {self._tail('qemu.log')}")
            if clock.monotonic() > end:
                raise HostError(f"{self.name} takes no command by ssh within {seconds:g} s: {self.console_tail()}")
            with suppress(subprocess.TimeoutExpired):
                assert self._process is not None
                self._process.wait(0.2)

    def hang_up(self) -> None:
        """Close the ssh connection; `wait` makes another one."""
        self._line.hang_up()

    def ssh_words(self) -> list[str]:
        """What a command line on this machine begins with that runs something on the guest, as root. After each start of the
        machine they are others."""
        return self._line.words()

    def run(self, script: str, *, stdin: str = "", timeout: float = COMMAND_SECONDS) -> str:
        """Run a shell script on it, and return what that printed. Raises HostError."""
        return self._line.run(script, stdin=stdin, timeout=timeout)

    def settle(self, name: str) -> None:
        """Make it one of its own, after the first `wait`: host name, machine-id, clock and random numbers; its cards get the
        names of their wires. All but the clock stays over a boot. Raises HostError."""
        told = {
            "name": name,
            "machine_id": uuid.UUID(bytes=entropy.random_bytes(16), version=4).hex,
            "seed": entropy.random_bytes(SEED_BYTES).hex(),
            "cards": [
                {
                    "slot": network_files.FIRST_SLOT + card.number,
                    "waiting": network_files.waiting_name(card.number),
                    "name": card.wire,
                    "mtu": card.mtu,
                }
                for card in self._cards
            ],
            "files": {
                "etc/hosts": network_files.hosts(name),
                **{
                    network_files.link_path(card.number): network_files.link(
                        network_files.FIRST_SLOT + card.number, card.wire, card.mtu
                    )
                    for card in self._cards
                },
            },
        }
        source = Path(inside.__file__).read_text(encoding="utf-8")
        self._line.converse(f"exec python3 -I -S -c {shlex.quote(source)}", lambda: {"now": clock.wall(), **told})

    def configure(self, wire: str, addresses: Iterable[Interface], routes: Iterable[network_files.Route] = ()) -> None:
        """Give the card on a wire its addresses, now and after each boot. Routes go through routers on that wire. Raises
        HostError."""
        wanted = tuple(addresses)
        path = network_files.wire_path(wire)
        looks = [f"until ip -o addr show dev {wire} | grep -qF ' {address} '; do sleep 0.1; done" for address in wanted]
        script = f"cat >/{path} && sync -f /{path} && networkctl reload && {' && '.join(looks) or 'true'}"
        self.run(script, stdin=network_files.wire(wire, wanted, routes))

    def console_tail(self, lines: int = TOLD_LINES) -> str:
        """The last lines of what it wrote to its serial line since it was started."""
        return self._tail("console.log", lines)

    def _tail(self, file: str, lines: int = TOLD_LINES) -> str:
        path = self.folder / file
        if not path.exists():
            return ""
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])
