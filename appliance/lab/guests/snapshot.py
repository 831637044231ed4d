"""A machine that has booted an image, as a file: guests go on from there in seconds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from appliance.lab.guests import programs
from appliance.lab.guests.cache import digest
from appliance.lab.guests.guest import READY, Guest
from appliance.lab.guests.image import MEMORY_MEGABYTES, Image
from appliance.lab.guests.qemu import Power, command
from appliance.lab.namespace import Namespace
from appliance.lab.naming import new_tag
from appliance.lab.traces import own

SAVE_SECONDS: Final = 300.0
WARM_UP: Final = """
until [ "$(systemctl is-system-running)" != starting ]; do sleep 0.5; done
[ ! -x /usr/bin/appliance ] || appliance --version
python3 -c 'import asyncio, ctypes, json, socket, ssl, subprocess'
sync
"""
"""What every guest will read first is in the machine's memory then."""


def name_of(image: Image) -> str:
    """The file's name: qemu goes on only from what the same version saved, of a machine with the same parts."""
    version = programs.run(programs.emulator(image.arch), "--version").splitlines()[0]
    nowhere = Path("/")
    parts = command(image._replace(kernel=nowhere, initial=nowhere), Power(MEMORY_MEGABYTES, "tcg", nowhere, nowhere, 0))
    return f"ready-{digest(version, WARM_UP, *parts)}.qcow2"


def make(image: Image, path: Path) -> None:
    """Boot the image in a namespace of its own, and keep the machine in the file `path`. Raises HostError."""
    tag = new_tag()
    namespace = Namespace(f"{tag}-image")
    with tempfile.TemporaryDirectory(prefix=f"{tag}.") as name:
        folder = Path(name)
        held = own(folder)  # labs in other PID namespaces do not see that we live
        namespace.create()
        guest = Guest("image", image, folder, namespace, tag_env={"LAB_DIRECTORY": name})
        try:
            guest.power_on()
            guest.wait()
            guest.run(WARM_UP)
            guest.hang_up()
            guest.monitor.command_line(f"savevm {READY}", timeout=SAVE_SECONDS)
            guest.cut_power()
            growing = path.with_name("growing.qcow2")
            programs.run("cp", "--sparse=always", folder / "disk.qcow2", growing)
            growing.rename(path)
        finally:
            guest.remove()
            namespace.delete()
            os.close(held)
