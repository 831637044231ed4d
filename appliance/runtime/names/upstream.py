"""Who knows all other names: the profile's servers, or those that this host had before it was told to ask us.

They are read again whenever the file is another one, so that a host which moves to another network asks that one's servers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.linux import resolv_conf as file
from appliance.planning import resolv_conf

RESOLVEDS: Final = Path("/run/systemd/resolve/resolv.conf")
"""Where systemd-resolved says whom it asks."""
MOST_SERVERS: Final = 3
"""As resolv.conf(5)."""


def of_host(own: Callable[[], str]) -> Callable[[], Sequence[str]]:
    """Returns a function that gives the host's servers as they are now, without our own address `own()`."""
    known: dict[object, Sequence[str]] = {}

    def servers() -> Sequence[str]:
        state = file.state(), _changed(RESOLVEDS)
        if state not in known:
            known.clear()
            known[state] = _read(own())
        return known[state]

    return servers


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(own: str) -> Sequence[str]:
    try:
        text = file.read() or ""
        found = resolv_conf.before(text)
        if resolv_conf.asks_resolved(found):
            found = RESOLVEDS.read_text(encoding="latin-1")
    except (OSError, HostError):
        return ()
    return [server for server in resolv_conf.servers(found) if server != own][:MOST_SERVERS]
