"""Programs of this machine that make and run guests: which Debian package brings each, and how one is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from appliance.errors import HostError

PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""mke2fs and chroot are where only root looks."""
TOOLS: Final = {
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
EMULATORS: Final = {"amd64": ("qemu-system-x86_64", "qemu-system-x86"), "arm64": ("qemu-system-aarch64", "qemu-system-arm")}
"""By architecture: the command, and the Debian package that brings it."""
NO_ROOM: Final = "No space left on device"
TOLD_LINES: Final = 12
"""Of what a program said before it failed. The reason is at the end."""
WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
"""In front of a program that must not go on when this process is killed: whoever comes next begins anew in the same place."""
PRIVATE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
"""In front of a program that mounts or starts others: when it is killed, its mounts and children go with it."""
FOREIGN: Final = Path("/proc/sys/fs/binfmt_misc")
"""Where the kernel names the interpreters that it runs other processors' programs with."""
_INTERPRETERS: Final = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
_OURS: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def emulator(arch: str) -> str:
    """The command of qemu, for an architecture."""
    return EMULATORS[arch][0]


def require(arch: str) -> None:
    """Raises HostError if a program is missing that guests of this architecture need."""
    tools = TOOLS | dict([EMULATORS[arch]])
    missing = {tool: package for tool, package in tools.items() if shutil.which(tool, path=PATH) is None}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise HostError(f"virtual machines need {', '.join(missing)}", hint=f"apt install {packages}")
    if is_foreign(arch) and not (FOREIGN / _INTERPRETERS[arch]).exists():
        raise HostError(
            f"programs for {arch} do not run on this machine, and making a Debian runs some",
            hint=f"apt install qemu-user-static; in a container, before that: mount -t binfmt_misc binfmt_misc {FOREIGN}",
        )


def is_foreign(arch: str) -> bool:
    """Is it another architecture than this machine's? Then making an image takes ten minutes."""
    return _OURS.get(os.uname().machine) != arch


def run(*words: str | Path, stdin: str | None = None, environ: dict[str, str] | None = None) -> str:
    """Run a program to its end, and return what it printed. It dies with this process. Raises HostError with its last words."""
    command = [str(word) for word in words]
    done = subprocess.run(
        [*WITH_US, *command],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env=os.environ | {"PATH": PATH, "LC_ALL": "C.UTF-8"} | (environ or {}),
        start_new_session=True,
    )
    if done.returncode:
        raise failed(command, done.returncode, done.stdout)
    return done.stdout


def failed(command: list[str], code: int, said: str) -> HostError:
    """The error for a program that failed."""
    name = next((word for word in command if "/" not in word and word in {*TOOLS, "chroot"}), command[0])
    tail = "\n".join(said.strip().splitlines()[-TOLD_LINES:])
    hint = "make room on that disk: an image takes 2 GB while it is made" if NO_ROOM in said else ""
    return HostError(f"{name} ended with {code}: {tail}", hint=hint)
