"""The programs by which admins rule a firewall, known by what they set up, and their commands that let something in. Pure.

Rules that are put beside theirs are gone with their next reload, and firewalld's table takes none of others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def opening(base: Mapping[str, Any], targets: Collection[str], facts: Mapping[str, Any], *, forwarded: bool) -> list[str]:
    """The commands that let packets through the base chain `base`, whose rules jump to the chains `targets`. `facts`: of the
    packets, as `firewalls.Traffic` has them."""
    if base["table"] == "firewalld" or "INPUT_ZONES" in targets:
        return _firewalld(facts, forwarded=forwarded)
    if any(target.startswith(("ufw-", "ufw6-")) for target in targets):
        return _ufw(facts, forwarded=forwarded)
    if forwarded and "DOCKER-USER" in targets:
        tool = base.get("tool") or ("ip6tables" if base["family"] == "ip6" else "iptables")
        return _iptables(tool, "DOCKER-USER", facts, forwarded=True)
    if "tool" in base:
        return _iptables(base["tool"], base["name"], facts, forwarded=forwarded)
    return _nft(base, facts, forwarded=forwarded)


def _ufw(facts: Mapping[str, Any], *, forwarded: bool) -> list[str]:
    if forwarded:
        return [f"ufw route allow {way} on {facts['iifname']}" for way in ("in", "out")]
    return [f"ufw allow {facts['dport']}/{facts['protocol']}"]


def _firewalld(facts: Mapping[str, Any], *, forwarded: bool) -> list[str]:
    what = (
        f"--zone=trusted --add-interface={facts['iifname']}" if forwarded else f"--add-port={facts['dport']}/{facts['protocol']}"
    )
    return [f"firewall-cmd --permanent {what}", "firewall-cmd --reload"]


def _iptables(tool: str, chain: str, facts: Mapping[str, Any], *, forwarded: bool) -> list[str]:
    ways = [f"-{way} {facts['iifname']}" for way in "io"] if forwarded else [f"-p {facts['protocol']} --dport {facts['dport']}"]
    return [f"{tool} -I {chain} {way} -j ACCEPT" for way in ways]


def _nft(base: Mapping[str, Any], facts: Mapping[str, Any], *, forwarded: bool) -> list[str]:
    ways = [f'{way}ifname "{facts["iifname"]}"' for way in "io"] if forwarded else [f"{facts['protocol']} dport {facts['dport']}"]
    return [f"nft insert rule {base['family']} {base['table']} {base['name']} {way} accept" for way in ways]
