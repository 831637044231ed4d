"""A real systemd-resolved on a real system bus, in a mount namespace of its own within a network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

UNPACKED: Final = Path(__file__).parents[2] / ".tools/resolved"
"""Where packaging/setup.sh unpacks the Debian package, which would take over the machine's own look-ups if it was installed."""
BUS: Final = """<busconfig><type>system</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>"""
USER: Final = "systemd-resolve"
SCRIPT: Final = """
cd "$1"
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
cp -a /etc etc
mount --bind etc /etc
cp passwd group /etc
rm -f /etc/resolv.conf
ln -s /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
mkdir /run/systemd/resolve
chown systemd-resolve:systemd-resolve /run/systemd/resolve
dbus-daemon --config-file=bus.conf --nofork --nopidfile &
until [ -S bus ]; do kill -0 $! || exit 1; done
"$2/systemd-resolved" &
until resolvectl dns >/dev/null 2>&1; do kill -0 $! || exit 1; done
echo ready
wait
"""


def folders() -> tuple[Path, Path] | None:
    """Where systemd-resolved and resolvectl are; None if they are not here."""
    if shutil.which("dbus-daemon") is None:
        return None
    for root in (Path("/"), UNPACKED):
        if (root / "lib/systemd/systemd-resolved").exists() and (root / "usr/bin/resolvectl").exists():
            return root / "lib/systemd", root / "usr/bin"
    return None


@contextmanager
def running(namespace: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words that lead into both namespaces, and the variables that programs need there."""
    found = folders()
    assert found is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # systemd-resolved is a user of its own
        for file, line in (("passwd", f"{USER}:x:994:994::/:/usr/sbin/nologin"), ("group", f"{USER}:x:994:")):
            known = Path("/etc", file).read_text()
            (folder / file).write_text(known if f"\n{USER}:" in known else f"{known}{line}\n")
        (folder / "bus.conf").write_text(BUS.format(bus=folder / "bus"))
        variables = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/bus", "PATH": f"{found[1]}:{os.environ['PATH']}"}
        net = ["nsenter", f"--net=/run/netns/{namespace}"]
        command = [*net, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "-", folder, found[0]]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=os.environ | variables)
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n", (folder / "log").read_text()
            yield [*net, f"--mount=/proc/{process.pid}/ns/mnt"], variables
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
