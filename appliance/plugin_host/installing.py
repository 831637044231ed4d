"""Puts a plugin into the directory of `foundation.plugin_folders`, and takes it out again.

    build a wheel ─ ask pip what is missing ─ put it all into a new folder ─ load it in a process of its own ─ rename the folder

Until the rename nothing is changed, and the appliance's own environment never is: what a plugin needs beyond it is in its folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

from appliance.api import ENTRY_POINT_GROUP
from appliance.errors import ApplianceError, ExitCode, HostError, MissingPrivilege
from appliance.foundation import plugin_folders
from appliance.linux import locks
from appliance.plugin_host import pip, present, projects
from appliance.plugin_host.installed import installed
from appliance.plugin_host.present import canonical
from appliance.plugin_host.projects import NoPlugin, Project
from appliance.plugin_host.trial import try_to_load
from appliance.plugin_host.versions import of_another_api

Say = Callable[[str], None]
"""Told of each stage, as it begins."""


class PluginRefused(ApplianceError):
    """The plugin cannot be installed or taken out; nothing was changed."""

    exit_code = ExitCode.WITHHELD


class Installation(NamedTuple):
    """What has been installed."""

    distribution: str
    """Its name."""
    version: str
    """The version that is there now."""
    plugins: tuple[Mapping[str, Any], ...]
    """The facts of its plugins, see `plugin_host.facts`."""
    brought: tuple[str, ...]
    """Libraries that came along, as "NAME VERSION"."""
    folder: str
    """Where it was put."""
    replaced: str
    """The version that was there before; empty when there was none."""


class _Wanted(NamedTuple):
    """One line of pip's answer to what is missing."""

    name: str
    version: str
    requirement: str
    requested: bool


def install(target: str, say: Say, *, editable: bool = False, base: Path | None = None) -> Installation:
    """Install the plugin `target`: a folder, a wheel, or a requirement such as "routing-fast==1.2" from the package index.

    `editable`: the folder itself is used, as it is at each start. Raises ApplianceError; then nothing has changed.
    """
    base = base or Path(plugin_folders.directory())
    with _workshop(base) as workshop:
        site = workshop / "site"
        site.mkdir(mode=0o755)
        if editable:
            name, brought = _link(target, site, workshop, base, say)
        else:
            name, brought = _fill(target, site, workshop, base, say)
        name, version, names = _plugins_in(site, name)
        _refuse_taken_names(names, name)
        say(f"trying {', '.join(names)} in a process of its own …")
        facts = try_to_load(site, names)
        folder, before = base / canonical(name), present.record(base / canonical(name))
        record = {"distribution": name, "version": version, "plugins": names, "editable": editable}
        (site / plugin_folders.RECORD).write_text(json.dumps(record), encoding="utf-8")
        _let_everybody_read(site)
        _replace(folder, site, workshop)
    return Installation(name, version, tuple(facts), brought, str(folder), str(before.get("version", "")))


def uninstall(name: str, base: Path | None = None) -> tuple[str, tuple[str, ...]]:
    """Take out the plugin or distribution `name`. Returns the distribution and its plugins.

    Raises PluginRefused for what is not here. A running node keeps what it has loaded: whether it needs it, the caller asks.
    """
    base = base or Path(plugin_folders.directory())
    folder = present.folder_of(name, base)
    if folder is None:
        raise _not_here(name, base)
    record = present.record(folder)
    with _workshop(base) as workshop:
        folder.rename(workshop / "gone")
    return str(record.get("distribution", folder.name)), tuple(record.get("plugins", ()))


def plugins_of(name: str, base: Path | None = None) -> tuple[str, ...]:
    """The plugins that `uninstall` of this name would take out."""
    folder = present.folder_of(name, base or Path(plugin_folders.directory()))
    return () if folder is None else tuple(present.record(folder).get("plugins", ()))


# ---- filling a folder ----


def _fill(target: str, site: Path, workshop: Path, base: Path, say: Say) -> tuple[str, tuple[str, ...]]:
    """Put the plugin and what it needs into `site`. Returns its distribution's name and what else came."""
    requirement = _requirement(target, workshop, base, say)
    say(f"looking what {Path(target).name} needs …")
    wanted = _missing([requirement], _named(requirement), workshop, base)
    main = next((one for one in wanted if one.requested), None)
    if main is None:
        raise PluginRefused(f"{target} is part of the appliance's environment already", hint="see `appliance plugins`")
    others = tuple(f"{one.name} {one.version}" for one in wanted if one is not main)
    say(f"installing {main.name} {main.version}{' with ' + ', '.join(others) if others else ''} …")
    _bring(wanted, site)
    return main.name, others


def _link(target: str, site: Path, workshop: Path, base: Path, say: Say) -> tuple[str, tuple[str, ...]]:
    """The same for a folder that is used where it is: only what it needs is put into `site`."""
    project = projects.read(Path(target))
    if reason := _changeable(project.source):
        raise PluginRefused(f"{reason}, and root would run what is there", hint="install it without --editable")
    _refuse_own(project.name, base)
    wanted: Sequence[_Wanted] = ()
    if project.dependencies:
        say(f"looking what {project.name} needs …")
        wanted = _missing(project.dependencies, project.name, workshop, base)
        _bring(wanted, site)
    project.write_metadata(site)
    (site / "linked.pth").write_text(f"{project.source}\n", encoding="utf-8")
    return project.name, tuple(f"{one.name} {one.version}" for one in wanted)


def _requirement(target: str, workshop: Path, base: Path, say: Say) -> str:
    """What pip is asked for. A folder is built here, once."""
    path = Path(target)
    if path.is_dir():
        project: Project = projects.read(path)
        _refuse_own(project.name, base)
        say(f"building {project.name} …")
        try:
            pip.run("wheel", "--no-deps", "--wheel-dir", str(workshop / "wheels"), str(project.folder))
        except pip.PipFailed as error:
            hint = error.hint or f"see what `pip wheel --no-deps {target}` prints"
            raise pip.PipFailed(f"{project.name} cannot be built: {error.message}", error.output, hint=hint) from error
        (wheel,) = (workshop / "wheels").glob("*.whl")
        return str(wheel)
    if path.suffix == ".whl" or ("/" in target and "://" not in target):
        if not path.is_file():
            raise NoPlugin(f"{target} is neither a plugin's folder nor a wheel", hint="give a folder, a .whl file, or a name")
        return str(path.resolve())
    if target.startswith("-"):
        raise NoPlugin(f"{target!r} is no name", hint="give a folder, a .whl file, or a name")
    return target


def _missing(requirements: Sequence[str], besides: str, workshop: Path, base: Path) -> list[_Wanted]:
    """What pip would install for `requirements`, beside what is here already and without changing any of it; what the plugin
    `besides` brought is replaced."""
    constraints, report = workshop / "constraints.txt", workshop / "report.json"
    constraints.write_text(
        "".join(f"{name}=={version}\n" for name, version in sorted(present.versions(base, besides).items())), encoding="utf-8"
    )
    pip.run("install", "--dry-run", "--report", str(report), "--constraint", str(constraints), "--", *requirements)
    found = [_wanted(item) for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    for one in found:
        _refuse_own(one.name, base)
    return found


def _named(requirement: str) -> str:
    """The distribution that a wheel or a requirement names."""
    name = Path(requirement).name.partition("-")[0] if requirement.endswith(".whl") else requirement
    return re.split(r"[^A-Za-z0-9._-]", name, maxsplit=1)[0]


def _wanted(item: Mapping[str, Any]) -> _Wanted:
    name, where = item["metadata"]["name"], item["download_info"]
    url = where["url"]
    if "vcs_info" in where:
        url = f"{where['vcs_info']['vcs']}+{url}@{where['vcs_info']['commit_id']}"
    digest = where.get("archive_info", {}).get("hashes", {}).get("sha256")
    requirement = f"{name} @ {url}" + (f"#sha256={digest}" if digest else "")
    return _Wanted(name, item["metadata"]["version"], requirement, bool(item.get("requested")))


def _bring(wanted: Sequence[_Wanted], site: Path) -> None:
    if wanted:
        pip.run("install", "--no-deps", "--target", str(site), "--", *(one.requirement for one in wanted))


# ---- what may not be ----


def _refuse_own(name: str, base: Path) -> None:
    """The environment's own distributions stay as they are: a second copy behind them would never be imported."""
    if canonical(name) in present.own(base):
        raise PluginRefused(
            f"{name} is part of the appliance's own environment", hint="it is changed by whatever made that: a package, uv or pip"
        )


def _refuse_taken_names(names: Sequence[str], distribution: str) -> None:
    """Two distributions with one plugin's name would both be refused at the next start."""
    own = canonical(distribution)
    for name, other in installed().items():
        if name in names and canonical(other.distribution) != own:
            raise PluginRefused(
                f"plugin {name} is here already, from {other.distribution}", hint="take that out, or rename this one"
            )


def _plugins_in(site: Path, name: str) -> tuple[str, str, list[str]]:
    """Name and version of the distribution `name`, and its plugins. Raises NoPlugin when it has none."""
    for distribution in distributions(path=[str(site)]):
        if canonical(distribution.name) == canonical(name):
            names = [entry.name for entry in distribution.entry_points if entry.group == ENTRY_POINT_GROUP]
            if names:
                return distribution.name, distribution.version, names
    groups = frozenset(entry.group for one in distributions(path=[str(site)]) for entry in one.entry_points)
    if (other := of_another_api(groups)) is not None:
        raise PluginRefused(f"{name}: {other.reason}", hint=other.hint)
    raise NoPlugin(
        f"{name} is no plugin: it has no entry point in group {ENTRY_POINT_GROUP}",
        hint="see docs/plugins.md for what a plugin declares",
    )


def _changeable(source: Path) -> str:
    """Why root may not run what is in `source`; empty for everybody else, and where only root writes."""
    if os.geteuid() != 0:
        return ""
    found = source.stat()
    if found.st_uid != 0 or found.st_mode & plugin_folders.WRITABLE_BY_OTHERS:
        return f"others than root may write {source}"
    return ""


def _not_here(name: str, base: Path) -> ApplianceError:
    other = installed().get(name)
    if other is None:
        return PluginRefused(f"{name} is not installed", hint=f"there are: {', '.join(present.names(base)) or 'none'}")
    return PluginRefused(
        f"{name} belongs to {other.distribution}, which is part of the appliance's own environment",
        hint="to do without it, take it out of `plugins` in the profile",
    )


# ---- the directory ----


@contextmanager
def _workshop(base: Path) -> Iterator[Path]:
    """A place to work in on the same file system, for one process at a time; it is gone afterwards. Raises MissingPrivilege."""
    try:
        for directory in (base.parent, base):
            if not directory.is_dir():
                directory.mkdir(parents=True)
                directory.chmod(0o755)
        lock = locks.try_hold(base / ".lock")
    except (PermissionError, HostError) as error:
        raise _not_allowed(base) from error
    if lock is None:
        raise locks.Busy("plugins are being installed already", hint="wait until that has ended and try again")
    try:
        for left in base.glob(".work-*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        workshop = Path(tempfile.mkdtemp(prefix=".work-", dir=base))
        try:
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    finally:
        os.close(lock)


def _not_allowed(base: Path) -> MissingPrivilege:
    return MissingPrivilege(
        f"only the owner of {base} may change what plugins are installed",
        hint="run it as root (sudo): the node runs them as root",
    )


def _let_everybody_read(site: Path) -> None:
    """Everybody may read it and nobody but its owner may write it, whatever the umask was."""
    for path in (site, *site.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod((mode | 0o444 | (0o111 if path.is_dir() else 0)) & ~plugin_folders.WRITABLE_BY_OTHERS & 0o777)


def _replace(folder: Path, site: Path, workshop: Path) -> None:
    if reason := plugin_folders.distrusted(str(site), str(folder.parent)):
        raise HostError(f"{reason}: nothing there would be run", hint="let root own it, and nobody else write it")
    if folder.exists():
        folder.rename(workshop / "before")
    site.rename(folder)
