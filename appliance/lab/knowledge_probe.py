"""What hosts of a lab put into the hash table of their network, and find there: asked of their nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from appliance.errors import ApplianceError
from appliance.lab.host import Host

SECONDS: Final = 30.0
"""For one answer. A look-up ends after five, and what it has kept takes as long again."""


def put(host: Host, key: str) -> None:
    """Have a record of the host kept under `key`, which is its value too. Raises ApplianceError."""
    host.ask("dht.put", {"key": key, "value": key}, timeout=SECONDS)


def look_up(host: Host, key: str, writer: str) -> float | None:
    """Seconds until the host had found what `put` put for the writer with that identity; None if it did not."""
    try:
        found = host.ask("dht.get", {"key": key}, timeout=SECONDS)
    except ApplianceError:
        return None
    right = any(each["value"] == key and each["by"]["identity"] == writer for each in found["records"])
    return float(found["seconds"]) if right else None


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank of what is in rising order."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def places(host: Host, peer: str) -> list[str]:
    """Where the hash table told the host that a peer is. Raises ApplianceError."""
    return [each["endpoint"] for each in host.ask("discovered") if each["kind"] == "dht" and each["peer"] == peer]
