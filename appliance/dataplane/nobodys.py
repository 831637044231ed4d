"""Addresses that are never a peer's, whatever the profile allows it: as a source they would speak for this host, or for its link.
Some of them mean many hosts.

unspecified, loopback      0.0.0.0/8, 127.0.0.0/8, ::, ::1      (RFC 1122, 3.2.1.3; RFC 4291, 2.5.2 and 2.5.3)
link-local                 169.254.0.0/16, fe80::/10            (RFC 3927; RFC 4291, 2.5.6)
multicast, broadcast       224.0.0.0/4, 255.255.255.255, ff00::/8
IPv4-mapped                ::ffff:0:0/96                        (RFC 4291, 2.5.5.2)
"""

from __future__ import annotations

from typing import Final

NOBODY: Final = ""
"""The name of the peer that has the ranges which are reserved for members: as far as none of them has more, they are nobody's."""
_MAPPED: Final = bytes(10) + b"\xff\xff"


def is_nobodys_v4(address: int) -> bool:
    """Is this IPv4 address in the table above, multicast and broadcast included?"""
    first = address >> 24
    return first in (0, 127) or 224 <= first < 240 or address >> 16 == 0xA9FE or address == 0xFFFFFFFF


def is_nobodys_v6(address: bytes) -> bool:
    """The same for the 16 bytes of an IPv6 address."""
    if address[0] == 0xFF or (address[0] == 0xFE and address[1] & 0xC0 == 0x80):
        return True
    return address[:12] == _MAPPED or (address[:15] == bytes(15) and address[15] < 2)


def many_v4(address: int) -> int:
    """How long a prefix must be to mean this IPv4 address on purpose. 0: any, since it is one host. Otherwise it means many
    hosts, and a shorter prefix is one that means everything."""
    return 4 if 224 <= address >> 24 < 240 else 32 if address == 0xFFFFFFFF else 0


def many_v6(address: bytes) -> int:
    """The same for the 16 bytes of an IPv6 address."""
    return 8 if address[0] == 0xFF else 0
