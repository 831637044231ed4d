r"""Where the appliance keeps what it knows about this host, one place for each node of each network namespace.

What is applied lives in the kernel's network namespace and dies with it, so the state lies in a tmpfs below a name that only
this namespace has. Nodes of one namespace are told apart by the name of their instance, in $APPLIANCE_INSTANCE; one has none.

    netns-N           netns-N@NAME              a directory: undo journal, lock, workers, known paths
    "\0appliance"      netns-N@NAME.control      the control socket, abstract or a path
    netns-N.control                             the same of a rootless node, and where a stranger has the abstract name
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import ApplianceError, ExitCode, HostError
from appliance.linux.machine import netns_cookie

RUN = Path("/run/appliance")
"""Root's: only root can make it, so its owner is whom root chose."""
CONFIG = Path("/etc/appliance")
PROFILE, IDENTITY = "profile.yaml", "identity"
INSTANCE_VARIABLE = "APPLIANCE_INSTANCE"
INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
ABSTRACT = "\0appliance"
"""The control socket of the node without a name. The kernel scopes it to the network namespace, and it ends with the node."""
_MARK = "@"
_CONTROL, _API = ".control", ".api"


class InstanceInvalid(ApplianceError):
    """That is no name of an instance."""

    exit_code = ExitCode.INVALID


def instance(environ: Mapping[str, str] = os.environ) -> str:
    """The name of the node that this process is, or is about; "" for the one without a name. Raises InstanceInvalid."""
    name = environ.get(INSTANCE_VARIABLE, "")
    if name and not INSTANCE.fullmatch(name):
        raise InstanceInvalid(f"{name!r} is no name of an instance", hint="lower-case letters, digits and dashes, up to 32")
    return name


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of the undo journal and the lock. Not created here.

    `$APPLIANCE_STATE_DIR` as it is; else `/run/appliance/netns-N` for root, else the same below `$XDG_RUNTIME_DIR`, else below
    `/tmp/appliance-UID`. An instance's name stands behind it: `netns-N@NAME`. Raises InstanceInvalid, HostError.
    """
    if given := environ.get("APPLIANCE_STATE_DIR"):
        base = Path(given)
        if _MARK in base.name:
            raise HostError(f"$APPLIANCE_STATE_DIR is {given}", hint=f"choose a directory without {_MARK} in its name")
    else:
        base = _base(environ) / f"netns-{netns_cookie()}"
    name = instance(environ)
    return base.with_name(f"{base.name}{_MARK}{name}") if name else base


def instance_of(directory: Path) -> str:
    """The instance whose state directory this is."""
    return directory.name.partition(_MARK)[2]


def other_state_dirs(directory: Path) -> dict[str, Path]:
    """The state directories of the other nodes of its network namespace, by instance."""
    namespace = directory.name.partition(_MARK)[0]
    found = [directory.with_name(namespace), *_beginning_with(directory.with_name(f"{namespace}{_MARK}"))]
    return {instance_of(one): one for one in found if one != directory and one.is_dir() and not one.is_symlink()}


def ensure_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The same directory, created for this user alone (mode 0700). Raises OSError when it cannot be."""
    directory = state_dir(environ)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ours = [directory, directory.parent] if directory.parent == _public() else [directory]
    if any(found.st_uid != os.geteuid() for one in ours for found in (one.stat(), one.lstat())):
        raise PermissionError(13, "the state directory belongs to somebody else", str(directory))
    return directory


def kept_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of what must outlive a reboot. Not created here.

    `$STATE_DIRECTORY` as systemd sets it; else beside `$APPLIANCE_STATE_DIR`; else `/var/lib/appliance` for root, else below
    `$XDG_STATE_HOME` (`~/.local/state`). An instance has `@NAME` in it. Raises InstanceInvalid.
    """
    name = instance(environ)
    return _kept(environ) / f"{_MARK}{name}" if name else _kept(environ)


def control_address(environ: Mapping[str, str] = os.environ) -> str:
    """Where the node's control socket belongs: an abstract address, or the path of an instance's. Raises InstanceInvalid."""
    return str(control_path(state_dir(environ))) if instance(environ) else ABSTRACT


def control_path(directory: Path) -> Path:
    """The control socket that is a file, of the node with this state directory."""
    return directory.with_name(f"{directory.name}{_CONTROL}")


def api_path(directory: Path) -> Path:
    """The Unix socket of the API server, of the node with this state directory."""
    return directory.with_name(f"{directory.name}{_API}")


def api_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of what the API server keeps. Not created here.

    It stands beside `kept_dir`, since the API server's user may not enter that: `/var/lib/appliance-api`. Raises InstanceInvalid.
    """
    name, kept = instance(environ), _kept(environ)
    base = kept.with_name(f"{kept.name}-api")
    return base / f"{_MARK}{name}" if name else base


def store_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of the API server's store, which is its own. Not created here. Raises InstanceInvalid."""
    return api_dir(environ) / "store"


def control_addresses(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Where the node's control socket may be found: where it belongs, then beside its own state directory and beside root's. An
    ordinary user's own node comes first, which is a rootless one. Raises InstanceInvalid."""
    own, roots = state_dir(environ), RUN / f"netns-{netns_cookie()}"
    name = instance(environ)
    places = [control_path(own), control_path(roots.with_name(f"{roots.name}{_MARK}{name}") if name else roots)]
    first = [str(control_path(own))] if os.geteuid() else []
    return list(dict.fromkeys([*first, control_address(environ), *map(str, places)]))


def listening_instances(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The names of instances of this network namespace that have a control socket, of a node that runs or was killed."""
    folders = {state_dir({**environ, INSTANCE_VARIABLE: ""}), RUN / f"netns-{netns_cookie()}"}
    paths = [path for folder in folders for path in _beginning_with(folder.with_name(f"{folder.name}{_MARK}"))]
    return sorted({path.stem.partition(_MARK)[2] for path in paths if path.suffix == _CONTROL})


def _beginning_with(start: Path) -> list[Path]:
    try:
        return sorted(path for path in start.parent.iterdir() if path.name.startswith(start.name))
    except OSError:
        return []


def _base(environ: Mapping[str, str]) -> Path:
    # Root inside a user namespace sees uid 0 but owns no /run.
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return RUN
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "appliance"
    return _public()


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of a new profile and its identity. Not created here.

    `/etc/appliance` for root and whoever may write there; else below `$XDG_CONFIG_HOME` (`~/.config`)."""
    if os.geteuid() == 0 or os.access(CONFIG, os.W_OK):
        return CONFIG
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "appliance"


def profile_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a new profile belongs."""
    return config_dir(environ) / PROFILE


def profile_paths(path: str | None, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The profile that was named, else this user's own; none means the system's, whose folders are layered."""
    if path:
        return [Path(path)]
    own = profile_file(environ)
    return [own] if own.parent != CONFIG and own.exists() else []


def _public() -> Path:
    """Where anybody may make a directory: `ensure_state_dir` and the lock refuse one that is not ours."""
    return Path(f"/tmp/appliance-{os.geteuid()}")  # noqa: S108


def _kept(environ: Mapping[str, str]) -> Path:
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    if given := environ.get("APPLIANCE_STATE_DIR"):
        return Path(f"{given}.kept")
    if os.geteuid() == 0:
        return Path("/var/lib/appliance")
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "appliance"
