"""An ordinary user of a host, with a home, no privileges, and /dev/net/tun as udev leaves it: open to everybody."""

from __future__ import annotations

import os
import select
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import appliance
from tests.netns.daemons import READY, Host
from tests.netns.throwaway import Throwaway

USER = 54321
TUN = "mount -t tmpfs tmpfs /mnt; mknod -m 666 /mnt/tun c 10 200; mount --bind /mnt/tun /dev/net/tun"
BECOME = f'exec setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps=-all "$@"'


def forbidden() -> str:
    """Which setting of this host lets ordinary users have no namespaces; "" if none does."""
    closed = {"kernel/apparmor_restrict_unprivileged_userns": "1", "kernel/unprivileged_userns_clone": "0"}
    closed |= dict.fromkeys(("user/max_user_namespaces", "user/max_net_namespaces"), "0")
    found = [
        key for key, value in closed.items() if (path := Path("/proc/sys", key)).exists() and path.read_text().strip() == value
    ]
    return ", ".join(found)


class Ordinary(Host):
    """A host on which an ordinary user works: `command` and `launch` are his. All of his files are below `home`."""

    def __init__(self, namespace: Throwaway, folder: Path, number: int, home: Path, *, tun: str = TUN) -> None:
        super().__init__(namespace, folder, number)
        self.home = home
        self.profile = home / ".config/appliance/profile.yaml"
        self.runtime = home / "run"
        self.entering += ["unshare", "--mount", "sh", "-c", f'set -e; {tun}; {_opened()}; cd "$HOME"; {BECOME}', "sh"]

    def environ(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """The variables of a fresh log-in."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "STATE_", "APPLIANCE_"))}
        return kept | {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime)} | (more or {})

    def own_key(self) -> None:
        """The host's identity beside the profile, and his."""
        key = self.profile.with_name(f"{self.number}.key")
        key.touch(0o600)
        key.write_bytes(self.identity.to_pem())
        os.chown(key, USER, USER)

    def rootless(self, *words: str) -> None:
        """Start the node and wait until it is ready."""
        self.start("--rootless", *words)

    def processes(self) -> set[int]:
        """Of this user."""
        found = set()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and entry.stat().st_uid == USER:
                    found.add(int(entry.name))
        return found

    def all_end(self) -> None:
        """Wait until no process of this user is left."""
        while processes := self.processes():
            for process in processes:
                with suppress(ProcessLookupError):
                    end = os.pidfd_open(process)
                    assert select.select([end], [], [], READY)[0], Path(f"/proc/{process}/cmdline").read_text()
                    os.close(end)


@contextmanager
def home_of_an_ordinary_user() -> Iterator[Path]:
    """A home that pytest's closed folders do not hide."""
    home = Path(tempfile.mkdtemp(prefix="ordinary-"))
    (home / "run").mkdir(mode=0o700)
    for each in (home, home / "run"):
        os.chown(each, USER, USER)
    try:
        yield home
    finally:
        shutil.rmtree(home)


def _opened() -> str:
    """A script that lets others see the interpreter and the sources where these lie in somebody's closed home."""
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), Path(appliance.__file__).resolve().parents[1]}
    hidden = defaultdict(list)
    for path in sorted(needed):
        closed = [each for each in reversed(path.parents) if not each.stat().st_mode & 0o001]
        if closed:
            hidden[closed[0]].append(path)
    lines = []
    for number, (top, paths) in enumerate(hidden.items()):
        kept = [(path, f"/mnt/{number}-{index}") for index, path in enumerate(paths)]
        lines += [f"mkdir {place}; mount --bind '{path}' {place}" for path, place in kept]
        lines += [f"mount -t tmpfs -o mode=755 tmpfs '{top}'"]
        lines += [f"mkdir -p '{path}'; mount --bind {place} '{path}'" for path, place in kept]
    return "; ".join(lines) or ":"
