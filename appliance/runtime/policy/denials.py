"""What was denied: packets by the kernel's counters, streams by our own."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from appliance.planning.access import COUNTERS, DENIED
from appliance.policy.subjects import Directory

MOST_NAMED: Final = 20
"""Peers and addresses that are told, those with most denials first."""
MOST_COUNTED: Final = 1024
"""Pairs of a caller and a service that are counted each; what comes on top is counted together."""
OTHERS: Final = "others"


class StreamDenials:
    """Streams that were refused, by caller and service."""

    def __init__(self) -> None:
        self._counted: Counter[tuple[str, str]] = Counter()

    def note(self, caller: str, service: str) -> None:
        """One was refused."""
        pair = caller, service
        if pair not in self._counted and len(self._counted) >= MOST_COUNTED:
            pair = OTHERS, OTHERS
        self._counted[pair] += 1

    def shown(self) -> list[dict[str, Any]]:
        """Those with most denials first."""
        return [
            {"from": caller, "service": service, "times": times}
            for (caller, service), times in self._counted.most_common(MOST_NAMED)
        ]


def packets(table: Iterable[Mapping[str, Any]], directory: Directory) -> dict[str, Any]:
    """Packets that the kernel denied, read from the node's nftables table: by where they were for, and by whom they came from."""
    sums, senders = dict.fromkeys(COUNTERS.values(), 0), Counter[str]()
    for entry in table:
        if (counter := entry.get("counter")) and counter["name"] in COUNTERS:
            sums[COUNTERS[counter["name"]]] = counter["packets"]
        if (found := entry.get("set")) and found["name"] in DENIED.values():
            for element in found.get("elem", ()):
                body = element["elem"] if isinstance(element, Mapping) else {"val": element}
                address = ipaddress.ip_address(body["val"])
                senders[directory.subject(address).name or str(address)] += body.get("counter", {}).get("packets", 0)
    return {"packets": sums, "senders": [{"from": name, "packets": times} for name, times in senders.most_common(MOST_NAMED)]}
