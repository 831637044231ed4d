"""Inner packets by scapy, between the hosts a (10.8.0.1, fd00:8::1) and b (10.8.0.2, fd00:8::2)."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw, raw

A4, B4, A6, B6 = "10.8.0.1", "10.8.0.2", "fd00:8::1", "fd00:8::2"


def udp4(size: int, mark: int = 0, source: str = A4, destination: str = B4, ttl: int = 64) -> bytes:
    return raw(IP(src=source, dst=destination, ttl=ttl) / UDP(sport=1000 + mark, dport=9) / Raw(bytes([mark & 255]) * size))


def udp6(size: int, mark: int = 0, source: str = A6, destination: str = B6, hops: int = 64) -> bytes:
    return raw(IPv6(src=source, dst=destination, hlim=hops) / UDP(sport=1000 + mark, dport=9) / Raw(bytes([mark & 255]) * size))
