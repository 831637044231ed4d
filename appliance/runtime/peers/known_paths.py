"""Where peers came in from, kept beside the undo journal: a daemon that follows a killed one calls those it has no endpoints for.

Only datagram listeners matter: from their address a peer behind a firewall or NAT still takes packets. A hint, never trusted:
the handshake says who is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.api.values import Endpoint, is_address

FILE = "paths.json"


class KnownPath(NamedTuple):
    """A peer came to the listener at `local` from `remote`."""

    local: Endpoint
    remote: Endpoint


def remember(directory: Path, paths: Mapping[str, KnownPath]) -> None:
    """Replace what is known."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # gone with its last file where nothing had to be changed
    fresh = directory / f"{FILE}.new"
    fresh.write_text(json.dumps({peer: [str(path.local), str(path.remote)] for peer, path in paths.items()}), encoding="utf-8")
    fresh.replace(directory / FILE)


def recall(directory: Path) -> dict[str, KnownPath]:
    """What an earlier daemon knew; nothing when that cannot be read."""
    try:
        noted = json.loads((directory / FILE).read_text(encoding="utf-8"))
        known = {str(peer): KnownPath(Endpoint.parse(local), Endpoint.parse(remote)) for peer, (local, remote) in noted.items()}
        return {peer: path for peer, path in known.items() if is_address(path.remote.host)}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def forget(directory: Path) -> None:
    """The daemon ends in order: its peers were told."""
    for name in (FILE, f"{FILE}.new"):
        (directory / name).unlink(missing_ok=True)
