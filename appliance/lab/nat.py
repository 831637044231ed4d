"""What makes a router translate or filter as a kind of NAT does: one nftables ruleset for each. Pure.

Mapping and filtering are told in the words of RFC 4787: endpoint-independent, address-dependent, address-and-port-dependent.
Everything that is not the outside wire counts as inside. IPv6 is never translated; all kinds but `none` keep it as a stateful
firewall does (RFC 6092).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "none",
    "full-cone",
    "address-restricted",
    "port-restricted",
    "symmetric",
    "symmetric-sequential",
    "plain",
    "one-to-one",
    "hairpin",
    "cgnat",
    "udp-blocked",
    "only-443",
    "web-only",
    "firewall",
    "ipv6-only",
]
UNTRANSLATED: Final[frozenset[Kind]] = frozenset({"none", "firewall", "ipv6-only"})
"""Kinds that leave addresses as they are: what is inside must be routed to."""
SEQUENTIAL_PORTS: Final = range(20000, 22000)
"""What a sequential NAT deals out, one after the other. Enough that no mapping of a lab's run is met twice."""
CGNAT_FIRST: Final = 20000
CGNAT_PORTS: Final = 1000
"""Ports of each customer of a carrier's NAT."""
MOST_CUSTOMERS: Final = (65536 - CGNAT_FIRST) // CGNAT_PORTS


@dataclass(frozen=True, slots=True)
class Box:
    """The router that gets the rules."""

    outside: str
    """Its interface towards the internet."""
    external: str
    """Its IPv4 address there; empty if that wire has none."""
    inside: Sequence[str]
    """IPv4 addresses of the machines behind it, in order."""
    mapping_seconds: float
    """How long an idle UDP mapping lives."""


def ruleset(kind: Kind, box: Box) -> str:
    """What `nft -f` reads. It takes the place of all rules that are there."""
    tables = [] if kind == "none" else [*_RULES[kind](box), *_firewall_v6(box, kind)]
    return "flush ruleset\n" + "".join(f"{table}\n" for table in tables)


def _translating(*rules: str) -> str:
    body = "".join(f"\n    {rule}" for rule in rules)
    return f"table ip nat {{\n  chain post {{\n    type nat hook postrouting priority srcnat;{body}\n  }}\n}}"


def _no_unsolicited(box: Box) -> str:
    """Without it an unsolicited datagram becomes a connection of the router itself, takes the port, and the mapping that was to
    have it gets another one: see `plain`."""
    return (
        "table ip fw {\n  chain in {\n    type filter hook input priority filter;\n"
        f'    iifname "{box.outside}" meta l4proto udp ct state new drop\n  }}\n}}'
    )


def _masquerading(*options: str) -> Callable[[Box], list[str]]:
    words = " ".join(("masquerade", *options))
    return lambda box: [_translating(f'oifname "{box.outside}" {words}'), _no_unsolicited(box)]


def _plain(box: Box) -> list[str]:
    return [_translating(f'oifname "{box.outside}" masquerade')]


def _sequential(box: Box) -> list[str]:
    ports = ", ".join(f"{number} : {port}" for number, port in enumerate(SEQUENTIAL_PORTS))
    deal = f"numgen inc mod {len(SEQUENTIAL_PORTS)} map {{ {ports} }}"  # `offset 20000` would deal byte-swapped ports
    return [
        _translating(
            f'oifname "{box.outside}" meta l4proto udp snat ip to {box.external}:{deal}', f'oifname "{box.outside}" masquerade'
        ),
        _no_unsolicited(box),
    ]


def _cgnat(box: Box) -> list[str]:
    blocks = [(CGNAT_FIRST + CGNAT_PORTS * number, host) for number, host in enumerate(box.inside)]
    ranges = ", ".join(f"{host} : {box.external} . {first}-{first + CGNAT_PORTS - 1}" for first, host in blocks)
    return [
        _translating(
            f'oifname "{box.outside}" meta l4proto {{ tcp, udp }} snat ip to ip saddr map {{ {ranges} }}',
            f'oifname "{box.outside}" masquerade',  # or who has no block would leave untranslated
        ),
        _no_unsolicited(box),
    ]


def _one_to_one(box: Box) -> list[str]:
    (host, *_) = box.inside
    table = f"""table ip nat {{
  chain pre {{
    type nat hook prerouting priority dstnat;
    iifname "{box.outside}" ip daddr {box.external} dnat to {host}
  }}
  chain post {{
    type nat hook postrouting priority srcnat;
    oifname "{box.outside}" ip saddr {host} snat to {box.external}
    oifname "{box.outside}" masquerade
  }}
}}"""
    return [table]


def _full_cone(box: Box) -> list[str]:
    return [_cone(box, admitted="udp dport map @in")]


def _address_restricted(box: Box) -> list[str]:
    return [_cone(box, admitted="udp dport map @in", condition="udp dport . ip saddr @perm ")]


def _hairpin(box: Box) -> list[str]:
    there = f'iifname != "{box.outside}" ip daddr {box.external} dnat ip to udp dport map @in'
    back = f'iifname != "{box.outside}" oifname != "{box.outside}" meta l4proto udp ct status dnat '
    back += f"snat ip to {box.external}:ip saddr . udp sport map @out"
    return [_cone(box, admitted="udp dport map @in", hairpin=(there, back))]


def _cone(box: Box, *, admitted: str, condition: str = "", hairpin: tuple[str, str] | None = None) -> str:
    """Endpoint-independent mapping by maps that the packets themselves fill, and filtering as `condition` says."""
    life = f"flags dynamic,timeout; timeout {box.mapping_seconds:g}s; size 65535;"
    out = f'oifname "{box.outside}" meta l4proto udp'
    first, replied = f"{out} ct direction original", f"{out} ct direction reply"
    there, back = (f"\n    {rule}" for rule in hairpin) if hairpin else ("", "")
    return f"""table ip cone {{
  map out {{ type ipv4_addr . inet_service : inet_service; {life} }}
  map in {{ type inet_service : ipv4_addr . inet_service; {life} }}
  set used {{ type inet_service; {life} }}
  set perm {{ type inet_service . ipv4_addr; {life} }}
  chain pre {{
    type nat hook prerouting priority dstnat;
    iifname "{box.outside}" {condition}dnat ip to {admitted}{there}
  }}
  chain post {{
    type nat hook postrouting priority srcnat;
    {out} snat ip to {box.external}:ip saddr . udp sport map @out{back}
    oifname "{box.outside}" udp sport @used masquerade fully-random
    oifname "{box.outside}" masquerade
  }}
  chain learn {{
    type filter hook postrouting priority srcnat + 10;
    {first} update @out {{ ct original ip saddr . ct original proto-src : udp sport }}
    {first} update @in {{ udp sport : ct original ip saddr . ct original proto-src }}
    {replied} update @in {{ udp sport : ct reply ip saddr . ct reply proto-src }}
    {replied} update @out {{ ct reply ip saddr . ct reply proto-src : udp sport }}
    {out} update @used {{ udp sport }}
    {out} update @perm {{ udp sport . ip daddr }}
  }}
  chain input {{
    type filter hook input priority filter;
    iifname "{box.outside}" meta l4proto udp ct state new drop
  }}
}}"""


def _udp_blocked(box: Box) -> list[str]:
    return [*_masquerading()(box), _forward("inet", "blocked", "meta l4proto udp drop")]


def _only_443(box: Box) -> list[str]:
    return [
        *_masquerading()(box),
        _forward("inet", "blocked", f'iifname != "{box.outside}" meta l4proto udp udp dport != 443 drop'),
    ]


def _web_only(box: Box) -> list[str]:
    asked_for = ("ct state established,related accept", f'iifname != "{box.outside}" tcp dport 443 accept')
    return [*_masquerading()(box), _forward("inet", "web", *asked_for, policy="drop")]


def _firewall(box: Box) -> list[str]:
    return [_stateful("inet", box)]


def _ipv6_only(_box: Box) -> list[str]:
    return [_forward("ip", "no4", policy="drop")]


def _firewall_v6(box: Box, kind: Kind) -> list[str]:
    return [] if kind == "firewall" else [_stateful("ip6", box)]


def _stateful(family: str, box: Box) -> str:
    rules = ("ct state established,related accept", f'iifname != "{box.outside}" accept', "meta l4proto ipv6-icmp accept")
    return _forward(family, "stateful", *rules, policy="drop")


def _forward(family: str, table: str, *rules: str, policy: str = "accept") -> str:
    body = "".join(f"\n    {rule}" for rule in rules)
    return (
        f"table {family} {table} {{\n  chain forward {{\n    type filter hook forward priority filter; policy {policy};{body}"
        "\n  }\n}"
    )


_RULES: Final[dict[Kind, Callable[[Box], list[str]]]] = {
    "full-cone": _full_cone,
    "address-restricted": _address_restricted,
    "port-restricted": _masquerading(),
    "symmetric": _masquerading("random"),
    "symmetric-sequential": _sequential,
    "plain": _plain,
    "one-to-one": _one_to_one,
    "hairpin": _hairpin,
    "cgnat": _cgnat,
    "udp-blocked": _udp_blocked,
    "only-443": _only_443,
    "web-only": _web_only,
    "firewall": _firewall,
    "ipv6-only": _ipv6_only,
}
