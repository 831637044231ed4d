"""A process that asks a router for a port by UPnP IGD, and ends.

    python -m appliance.runtime.members.igd add|delete ADDRESS PORT LIFETIME

The library is written in C, and anybody in the local network may answer it. So it runs here, without any privileges. What
came of it is one line of JSON: {"address": …, "port": …} or {"problem": …}.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, Final

from appliance.linux.privileges import drop_all

DISCOVER_MILLISECONDS: Final = 1500
"""How long routers may take to answer the search."""
NEIGHBOURS: Final = 8
"""Ports from the wanted one on that are tried when others have it."""
WHAT: Final = "appliance"


def main(arguments: list[str]) -> dict[str, Any]:
    """Do it. What came of it."""
    deed, address, port, lifetime = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    try:
        library = importlib.import_module("miniupnpc")
        drop_all()  # after the last import, which nobody else may be allowed to read
        router = library.UPnP(multicastif=address, discoverdelay=DISCOVER_MILLISECONDS)
        if not router.discover():
            return {"problem": "no router answers UPnP"}
        router.selectigd()
        if deed == "delete":
            router.deleteportmapping(port, "UDP")
            return {}
        return _add(router, address, port, lifetime)
    except Exception as error:  # noqa: BLE001  whatever the library raises means that there is no port
        return {"problem": f"UPnP: {error}"[:200]}


def _add(router: Any, address: str, port: int, lifetime: int) -> dict[str, Any]:
    """A port, the wanted one or one close to it. Some routers give ports for ever or not at all."""
    problem: Exception | None = None
    for outside in range(port, min(port + NEIGHBOURS, 65536)):
        for seconds in (lifetime, 0):
            try:
                router.addportmapping(outside, "UDP", address, port, WHAT, "", seconds)
            except Exception as error:  # noqa: BLE001  the library has one kind of exception, without a number
                problem = error
            else:
                return {"address": router.externalipaddress(), "port": outside}
    return {"problem": f"the router refuses a mapping (UPnP: {problem})"[:200]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])))
