"""Which files make up a profile: one that was named with its drop-ins, or those of the system's folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from appliance.profile.problems import LocatedProblem

SYSTEM_FOLDERS = (Path("usr/lib/appliance"), Path("run/appliance"), Path("etc/appliance"))
"""Of packages, of whoever sets a host up at boot, of the admin. Later ones win, as in systemd."""
ENDINGS = (".yaml", ".yml", ".toml")


def files_of(paths: Sequence[Path], root: Path) -> tuple[list[Path], list[LocatedProblem]]:
    """The files to merge, the base first. Without `paths`, those of the system below `root`; that there are none is no problem
    yet."""
    if not paths:
        return _system_files([root / folder for folder in SYSTEM_FOLDERS])
    return [file for path in paths for file in (path, *layered([path.with_name(path.name + ".d")]))], []


def _system_files(folders: Sequence[Path]) -> tuple[list[Path], list[LocatedProblem]]:
    base: list[Path] = []
    problems = []
    for folder in folders:
        here = [path for ending in ENDINGS if (path := folder / f"profile{ending}").exists()]
        if len(here) > 1:
            names = " and ".join(path.name for path in here)
            problems.append(LocatedProblem(str(folder), 0, 0, "", f"{names} are both here", "keep one of them"))
        base = here[:1] or base
    return [*base, *layered([folder / "profile.d" for folder in folders])], problems


def layered(folders: Sequence[Path], first: Iterable[Path] = ()) -> list[Path]:
    """Files with one of our endings, by name: those of the folders, and before these `first`. Of two with the same name the one
    in the last folder counts; if that is empty (or a link to /dev/null), none does."""
    named = {path.name: path for path in first}
    for folder in folders:
        try:
            named |= {path.name: path for path in folder.iterdir() if path.suffix in ENDINGS and not path.name.startswith(".")}
        except (FileNotFoundError, NotADirectoryError):
            continue
    return [path for _, path in sorted(named.items()) if not _hides(path)]


def _hides(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:  # reading it will tell what is wrong
        return False
