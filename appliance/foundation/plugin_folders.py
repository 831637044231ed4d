"""Where `appliance plugin install` puts plugins, and how the processes of a node find them there.

    DIRECTORY/appliance-routing-fast/        one folder a plugin: its packages, and libraries that the appliance does not bring
    DIRECTORY/appliance-routing-fast/installed.json

The folders stand behind the environment's own packages on `sys.path`, so that nothing in them takes the place of one of those.
The worker uses this module before it gives up its privileges: it stays small.
"""

from __future__ import annotations

import os
import site
import stat
import sys

LOCAL = "/usr/local/lib/appliance/plugins"
"""Below /usr everything is a package's, and an upgrade may replace it; here are an administrator's own programs (FHS 4.9)."""
RECORD = "installed.json"
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def directory() -> str:
    """The directory of the environment that this interpreter runs in: LOCAL for a packaged one, else one inside of it."""
    prefix = os.path.realpath(sys.prefix)
    packaged = f"{prefix}/".startswith("/usr/") and not prefix.startswith("/usr/local/")
    return LOCAL if packaged else os.path.join(prefix, "lib", "appliance", "plugins")  # noqa: PTH118  the worker has no pathlib


def folders(base: str | None = None) -> list[str]:
    """The folders of installed plugins, those that are not to be trusted among them."""
    base = directory() if base is None else base
    try:
        names = sorted(os.listdir(base))  # noqa: PTH208
    except OSError:
        return []
    paths = [os.path.join(base, name) for name in names if not name.startswith(".")]  # noqa: PTH118
    return [path for path in paths if os.path.isdir(path)]  # noqa: PTH112


def use(base: str | None = None) -> None:
    """Let this process import what is installed there. What `distrusted` names is left out."""
    base = directory() if base is None else base
    for folder in folders(base):
        if folder not in sys.path and not distrusted(folder, base):
            site.addsitedir(folder)


def distrusted(folder: str, base: str | None = None) -> str:
    """Why code in `folder` is not run, as a sentence about a path; empty when it is run.

    The daemon runs as root: whoever may write there would be root.
    """
    base = directory() if base is None else base
    for path in (os.path.dirname(base), base, folder):  # noqa: PTH120
        try:
            found = os.lstat(path)
        except OSError as error:
            return f"{path}: {(error.strerror or str(error)).lower()}"
        if not stat.S_ISDIR(found.st_mode):
            return f"{path} is no directory"
        if found.st_uid not in _owners():
            return f"{path} belongs to user {found.st_uid}"
        if found.st_mode & WRITABLE_BY_OTHERS:
            return f"{path} can be written by others than its owner"
    return ""


def _owners() -> set[int]:
    """Who may change what this process runs anyway."""
    return {0, os.geteuid(), os.stat(sys.prefix).st_uid}  # noqa: PTH116
