"""How the appliance knows its own things on a host again, and the defaults of the kernel that it relies on."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

ROUTE_PROTOCOL = 76
"""The protocol number of our routes and rules ('L'), chosen from those that neither the kernel nor /etc/iproute2/rt_protos
uses."""
INSTANCE_PROTOCOLS = range(100, 180)
"""Those of named instances, chosen likewise. The name says which of them."""
TABLE = "inet appliance"
"""The one nftables table that is ours."""

MAIN_TABLE = 254
LOCAL_TABLE = 255
KERNEL_PROTOCOL = 2
RA_PROTOCOL = 9
IPV6_MIN_MTU = 1280  # RFC 8200, section 5; the kernel has no IPv6 on an interface below
IPV6_ROUTE_METRIC = 1024  # IP6_RT_PRIO_USER: what the kernel takes when none is given
LAST_METRIC = 0xFFFFFFFF
"""The metric of a route that counts only when there is no other."""
IPV6_CONNECTED_METRIC = 256  # IP6_RT_PRIO_ADDRCONF
TUN_OWNER = {"owner": 0, "group": 0}
"""The owner of the device. A device with an owner can be opened by him, and by those who may change the network. Whoever opens it
sees all plaintext."""
TUN_DEFAULTS = {"mtu": 1500, "gso_max_size": 65536, "tx_queue_len": 500, "up": False}
"""A TUN device as the kernel makes it."""
TX_QUEUE_PACKETS = 2000
"""Packets that a queue of the device holds for the worker; the kernel drops more. Measured with TCP inside VXLAN, whose segments
come singly and not as super-packets: the kernel's 500 lose up to one packet in fifty, 2,000 lose none. Full of super-packets it
holds 130 MB."""

DEAF_TO = ((6, "accept_ra"), (6, "accept_redirects"), (4, "accept_redirects"), (4, "send_redirects"), (4, "accept_source_route"))
"""Settings of our interface that are 0, with their IP version. The peers are not routers of this host: none of them may tell it
where to send, and this host tells none of them. Without the first of these, one packet of a peer made a default route, an address
and an MTU."""

GSO_MAX_BYTES = 63_000
"""Chosen: the largest super-packet that fits one UDP send once it is sealed and cut into datagrams of 1,400 bytes (46 pieces)."""
MAX_UDP_BYTES = 65_507
MAX_GSO_PIECES = 64  # UDP_MAX_SEGMENTS before Linux 6.9
HEADER_BYTES = 24
RECORD_BYTES = 16 + 64  # tag, and room for the entries' lengths and virtio headers


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose things they are: several nodes of one network namespace know theirs by these."""

    protocol: int = ROUTE_PROTOCOL
    """Of its routes and rules."""
    table: str = TABLE
    """Its nftables table, and how the names of its plugins' tables begin."""

    @classmethod
    def of(cls, instance: str) -> Self:
        """Of a named instance; "" is the node without a name."""
        if not instance:
            return cls()
        number = zlib.crc32(instance.encode()) % len(INSTANCE_PROTOCOLS)
        return cls(INSTANCE_PROTOCOLS[number], f"{TABLE}.{instance}")


UNNAMED = Owner()
"""The node without an instance's name."""

MAIN_RULE_PRIORITY = 32764
TUNNEL_RULE_PRIORITY = 32765
"""Priorities of the two rules of policy routing: behind all that an admin writes, and just before the kernel's own rule for the
main table (32766)."""
ROUTE_KEYS = ("destination", "via", "link", "table", "metric", "protocol")
RULE_KEYS = ("family", "priority", "from", "to", "fwmark", "table", "protocol", "suppress_prefixlength", "invert")


def route_args(route: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that tell a route from others. `type` is there only if it is not "unicast"."""
    kind = _route_type(route)
    return {key: route.get(key) for key in ROUTE_KEYS} | ({} if kind == "unicast" else {"type": kind})


def route_key(route: Mapping[str, Any]) -> tuple[Any, ...]:
    """The same, hashable."""
    return (*(route.get(key) for key in ROUTE_KEYS), _route_type(route))


def _route_type(route: Mapping[str, Any]) -> str:
    return str(route.get("type") or "unicast")


def rule_args(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that tell a rule from others; those that may be missing are written out."""
    return {key: rule.get(key) for key in RULE_KEYS} | {"invert": bool(rule.get("invert"))}


def rule_key(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    """The same, hashable."""
    return tuple(rule_args(rule).values())


def gso_max_size(datagram_bytes: int) -> int:
    """The largest super-packet whose record fits one UDP send of datagrams of this size."""
    pieces = min(MAX_GSO_PIECES, MAX_UDP_BYTES // datagram_bytes)
    return min(GSO_MAX_BYTES, pieces * (datagram_bytes - HEADER_BYTES) - RECORD_BYTES)


def connected_metric(version: int) -> int:
    """Metric of the route that the kernel makes for an address's network."""
    return 0 if version == 4 else IPV6_CONNECTED_METRIC


def route_metric(version: int, given: int | None) -> int:
    """Metric that the kernel will show for a route written with `given`."""
    if version == 6:
        return given or IPV6_ROUTE_METRIC
    return given or 0


def link_sysctl(version: int, link: str, leaf: str) -> str:
    """The key of a setting of an interface, as sysctl(8) writes it: with slashes if the interface's name has a dot."""
    parts = ("net", f"ipv{version}", "conf", link, leaf)
    return ("/" if "." in link else ".").join(parts)


def sysctl_link(key: str) -> str | None:
    """The interface that the setting `key` belongs to; None if it belongs to all."""
    parts = key.split("/" if "/" in key else ".")
    if len(parts) > 4 and parts[2] in {"conf", "neigh"} and parts[3] not in {"all", "default"}:
        return parts[3]
    return None


def default_sysctl(key: str, interface: str) -> str:
    """The key of the setting that a new interface gets as its `key`. If `key` is not a setting of `interface`, `key` itself."""
    if sysctl_link(key) != interface:
        return key
    parts = key.split("/" if "/" in key else ".")
    return ".".join([*parts[:3], "default", *parts[4:]])


def is_kernels_own(address: str) -> bool:
    """Does the kernel give an interface this address by itself when it comes up (RFC 4291, 2.5.6)? It takes it away by itself,
    too."""
    interface = ipaddress.ip_interface(address)
    return interface.version == 6 and interface.is_link_local


def without(mapping: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The mapping without some keys."""
    return {key: value for key, value in mapping.items() if key not in keys}
