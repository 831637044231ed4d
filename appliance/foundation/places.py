"""Where the appliance keeps what it knows about this host, one place per network namespace.

What is applied lives in the kernel's network namespace and dies with it, so the state lies in a tmpfs below a name that only
this namespace has, and the control socket is an abstract one, which the kernel scopes to the namespace by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from appliance.linux.host import netns_cookie

RUN = Path("/run/appliance")
"""Root's: only root can make it, so its owner is whom root chose."""


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of the undo journal and the lock of this namespace. Not created here.

    `$APPLIANCE_STATE_DIR` as it is; else `/run/appliance/netns-N` for root, else the same below `$XDG_RUNTIME_DIR`, else below
    `/tmp/appliance-UID`.
    """
    if given := environ.get("APPLIANCE_STATE_DIR"):
        return Path(given)
    # Root inside a user namespace sees uid 0 but owns no /run.
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        base = RUN
    elif runtime := environ.get("XDG_RUNTIME_DIR"):
        base = Path(runtime) / "appliance"
    else:
        base = Path(f"/tmp/appliance-{os.geteuid()}")  # noqa: S108 - `ensure_state_dir` and the lock refuse one that is not ours
    return base / f"netns-{netns_cookie()}"


def ensure_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The same directory, created for this user alone (mode 0700). Raises OSError when it cannot be."""
    directory = state_dir(environ)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if directory.stat().st_uid != os.geteuid():
        raise PermissionError(13, "the state directory belongs to somebody else", str(directory))
    return directory


def kept_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of what must outlive a reboot. Not created here.

    `$STATE_DIRECTORY` as systemd sets it; else beside `$APPLIANCE_STATE_DIR`; else `/var/lib/appliance` for root, else below
    `$XDG_STATE_HOME` (`~/.local/state`).
    """
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    if given := environ.get("APPLIANCE_STATE_DIR"):
        return Path(f"{given}.kept")
    if os.geteuid() == 0:
        return Path("/var/lib/appliance")
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "appliance"


def control_address() -> str:
    """The daemon's control socket: abstract, so it is found from the same network namespace only and vanishes with the daemon."""
    return "\0appliance"


def control_path(directory: Path) -> Path:
    """Where the daemon of this state directory listens when somebody else has the abstract name."""
    return directory.with_name(f"{directory.name}.control")


def control_paths() -> list[Path]:
    """Where such a daemon may be found: root's and one's own."""
    return list(dict.fromkeys(map(control_path, (state_dir(), RUN / f"netns-{netns_cookie()}"))))
