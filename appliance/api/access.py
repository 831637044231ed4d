"""Whom and what the rules of a policy name. Frozen values that know their text form; the section `policy` of a profile is made of
them."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.api.values import Network

ICMP: Final = 1
ICMPV6: Final = 58
PROTOCOLS: Final = {
    "icmp": ICMP, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "icmpv6": ICMPV6, "sctp": 132, "udplite": 136,
}  # fmt: skip
"""Those of the IANA registry that people call by name."""
WITH_PORTS: Final = frozenset({6, 17, 33, 132, 136})
MOST_PORT: Final = 65535

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_TAG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_SERVICE: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
"""As the preface of a stream has it."""
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


class Group(StrEnum):
    """How those are told from others whom a word of a rule means."""

    ANY = "any"
    """Everybody and everything."""
    SELF = "self"
    """This node."""
    PEERS = "peers"
    """All peers, members included."""
    MEMBERS = "members"
    """The members of the network."""
    TAG = "tag"
    """Members whose certificates have a tag."""
    NAME = "name"
    """One peer."""
    PREFIX = "prefix"
    """Addresses, whoever has them."""


_WORDS: Final = frozenset({Group.ANY, Group.SELF, Group.PEERS, Group.MEMBERS})
WORDS: Final = frozenset(word.value for word in _WORDS)
"""Names that no peer of a profile with a policy may have."""


class Who(NamedTuple):
    """One word for somebody: `laptop`, `tag:guest`, `members`, `peers`, `any`, `self`, `10.9.0.0/16`."""

    group: Group
    name: str = ""
    """Of the peer or the tag."""
    prefix: Network | None = None

    def __str__(self) -> str:
        if self.prefix is not None:
            return str(self.prefix)
        return f"tag:{self.name}" if self.group is Group.TAG else self.name or str(self.group)

    @classmethod
    def parse(cls, text: str) -> Who:
        """Read the text form. Raises ValueError with a sentence for the admin."""
        if text in WORDS:
            return cls(Group(text))
        if text.startswith("tag:"):
            if not _TAG.fullmatch(text[4:]):
                raise ValueError(f"{text!r} is no tag: write tag: and 1 to 32 of the characters a-z, 0-9 and -")
            return cls(Group.TAG, text[4:])
        if (prefix := _prefix(text)) is not None:
            return cls(Group.PREFIX, prefix=prefix)
        if not _NAME.fullmatch(text):
            raise ValueError(
                f"{text[:60]!r} means nobody: write a peer's name, tag:NAME, a prefix, or one of {', '.join(sorted(WORDS))}"
            )
        return cls(Group.NAME, text)


class What(NamedTuple):
    """One word for what is used: `service:ssh`, `services`, `tcp/22`, `udp/5000-5010`, `tcp`, `icmp`, `47`."""

    service: str | None = None
    """A named service; "" for all of them; None for packets."""
    protocol: int = 0
    """IP protocol. 1 is ICMP of either IP version."""
    ports: tuple[int, int] | None = None
    """First and last destination port; None for all, and where there are none."""

    def __str__(self) -> str:
        if self.service is not None:
            return f"service:{self.service}" if self.service else "services"
        name = next((name for name, number in PROTOCOLS.items() if number == self.protocol), str(self.protocol))
        return name if self.ports is None else f"{name}/{'-'.join(map(str, dict.fromkeys(self.ports)))}"

    @classmethod
    def parse(cls, text: str) -> What:
        """Read the text form. Raises ValueError with a sentence for the admin."""
        if text == "services":
            return cls("")
        kind, mark, name = text.partition(":")
        if mark:
            if kind != "service" or not _SERVICE.fullmatch(name):
                raise ValueError(f"{text[:60]!r} is no service: write service:NAME, or services for all")
            return cls(name)
        word, slash, ports = text.partition("/")
        number = PROTOCOLS.get(word.lower(), int(word) if word.isascii() and word.isdigit() and len(word) <= 3 else 256)
        if number > 255:
            raise ValueError(
                f"{text[:60]!r} names nothing: write service:NAME, services, tcp/22, udp/5000-5010, icmp, or a protocol"
            )
        return cls(None, number, _ports(text, number, ports) if slash else None)

    def covers(self, other: What, version: int) -> bool:
        """Is `other` part of it, in packets of that IP version?"""
        if self.service is not None or other.service is not None:
            return self.service is not None and other.service is not None and self.service in {"", other.service}
        if of_version(self.protocol, version) != of_version(other.protocol, version):
            return False
        if self.ports is None:
            return True
        return other.ports is not None and self.ports[0] <= other.ports[0] and other.ports[1] <= self.ports[1]


def of_version(protocol: int, version: int) -> int:
    """The protocol's number in packets of that IP version; -1 if it is not in them."""
    if protocol == ICMP:
        return ICMP if version == 4 else ICMPV6
    return -1 if protocol == ICMPV6 and version == 4 else protocol


def _prefix(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    raise ValueError(f"{text!r} has bits set behind the prefix length, did you mean {str(loose)!r}?")


def _ports(text: str, protocol: int, ports: str) -> tuple[int, int]:
    if protocol not in WITH_PORTS:
        raise ValueError(f"{text[:60]!r}: this protocol has no ports")
    found = _PORTS.fullmatch(ports)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not low <= high <= MOST_PORT:
        raise ValueError(f"{text[:60]!r} has no port or range of ports behind the slash, for example tcp/22 or udp/5000-5010")
    return low, high
