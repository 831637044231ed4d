"""What a daemon keeps beside the undo journal goes with the daemon, and with the last of it the directories."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from appliance.foundation import places
from appliance.runtime.peers import known_paths
from appliance.runtime.workers import orphans


def clear(state_dir: Path) -> None:
    """Everything has been undone and no daemon runs: end the workers of one that was killed, and forget what it knew."""
    if state_dir.exists():
        orphans.kill_left_behind(state_dir)
        known_paths.forget(state_dir)
    places.control_path(state_dir).unlink(missing_ok=True)
    remove_if_empty(state_dir)


def unlock(state_dir: Path) -> None:
    """A node that changed nothing ends: take away the lock under which its control socket was made, unless there is a journal,
    whose lock it is, too."""
    from appliance.apply.journal import FILE
    from appliance.linux.locks import try_hold

    lock = try_hold(state_dir / "lock")
    if lock is None:
        return
    try:
        if not (state_dir / FILE).exists():
            (state_dir / "lock").unlink(missing_ok=True)
    finally:
        os.close(lock)


def remove_if_empty(state_dir: Path) -> None:
    """Remove the directory, and the one of all namespaces around it, unless something is still needed. Only where the place is
    ours to choose: the directory of $APPLIANCE_STATE_DIR may have a purpose for others."""
    with suppress(OSError):
        with suppress(FileNotFoundError):
            state_dir.rmdir()
        if not os.environ.get("APPLIANCE_STATE_DIR"):
            state_dir.parent.rmdir()
