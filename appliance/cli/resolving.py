"""Looks names up side by side and for a few seconds at most, for commands that only want to say more."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from appliance.api.zones import from_kernel
from appliance.foundation import clock
from appliance.protocol.peer import is_named

if TYPE_CHECKING:
    from appliance.api.profile import Profile

SECONDS = 3.0
"""For all names together. The system's resolver may take 30 s for one."""
MOST = 32
"""Names that are looked up. A hub has thousands."""


def addresses_of_names(profile: Profile) -> dict[str, tuple[str, ...]]:
    """Addresses of the names in the peers' endpoints, of the first MOST of them."""
    named = [endpoint.host for peer in profile.peers for endpoint in peer.endpoints if is_named(endpoint)]
    return resolve(set(list(dict.fromkeys(named))[:MOST]))


def resolve(hosts: set[str], seconds: float = SECONDS) -> dict[str, tuple[str, ...]]:
    """The addresses of each host that has some within `seconds`. An address literal stands for itself."""
    found: dict[str, tuple[str, ...]] = {}
    threads = [threading.Thread(target=_resolve_one, args=(host, found), daemon=True) for host in sorted(hosts)]
    for thread in threads:
        thread.start()
    deadline = clock.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - clock.monotonic()))
    return dict(found)


def _resolve_one(host: str, found: dict[str, tuple[str, ...]]) -> None:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return
    found[host] = tuple(dict.fromkeys(from_kernel(address)[0] for *_, address in answers))
