"""Where others see this node: what each voice says, and what that tells of the NAT in between.

One voice proves nothing, since it may lie or may itself be behind the same NAT. A verdict about the mapping (RFC 4787, section
4.1) takes three voices from different networks; until then it is unknown, and what the voices said is tried all the same, those
first that most of them agree on: a lie costs a few probes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.api.values import Endpoint
from appliance.protocol.admission import prefix_of

VOICES: Final = 3
"""Least voices for a verdict: of three, one that lies is outvoted."""
MAX_VOICES: Final = 32
"""Voices that are kept; the one that was heard longest ago goes first."""
MAX_AGE: Final = 900.0
"""Seconds for which a voice counts without saying it again. Sessions are renewed within 600 s."""
MAX_TOLD: Final = 2
"""Addresses of a family that are told to peers: the one most voices agree on, and the next."""


class Mapping(StrEnum):
    """How the NAT maps this node's socket (RFC 4787, section 4.1), as far as voices tell."""

    UNKNOWN = "unknown"
    """Too few voices."""
    NONE = "none"
    """There is no NAT: others see the host's own address."""
    INDEPENDENT = "independent"
    """One address and port, whoever is spoken to."""
    DEPENDENT = "dependent"
    """Another port for each far end: a symmetric NAT."""
    SEQUENTIAL = "sequential"
    """The same, and each is the one after the one before: it can be foretold. Voices do not tell that."""


class Voice(NamedTuple):
    """What one peer said."""

    at: Endpoint
    """Where it sees this node."""
    network: str
    """The network that it speaks from: voices of one network count once."""
    heard: float


class Verdict(NamedTuple):
    """What the voices tell of one family of addresses."""

    mapping: Mapping
    seen: tuple[Endpoint, ...]
    """Where this node is seen, what most voices agree on first."""
    voices: int
    """From how many networks."""


class Reflections:
    """The voices of one node. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._voices: OrderedDict[str, Voice] = OrderedDict()

    def __len__(self) -> int:
        return len(self._voices)

    def heard(self, voice: str, speaks_from: str, at: Endpoint, now: float) -> bool:
        """`voice` (a fingerprint), whose address is `speaks_from`, sees this node `at`. True if that is news."""
        before = self._voices.pop(voice, None)
        self._voices[voice] = Voice(at, prefix_of(speaks_from), now)
        if len(self._voices) > MAX_VOICES:
            self._voices.popitem(last=False)
        return before is None or before.at != at

    def forget(self, voice: str) -> None:
        """It is not connected any more: what it saw may be gone."""
        self._voices.pop(voice, None)

    def clear(self) -> None:
        """This host's addresses changed: nothing that was seen before holds."""
        self._voices.clear()

    def verdict(self, version: int, own: Collection[str], now: float) -> Verdict:
        """What is known for IPv4 (4) or IPv6 (6). `own` are this host's addresses."""
        voices = [voice for voice in self._voices.values() if now - voice.heard < MAX_AGE and _version(voice.at) == version]
        newest_of = {voice.network: voice for voice in voices}  # one a network: the one heard last
        votes = Counter(voice.at for voice in newest_of.values())
        seen = tuple(at for at, _ in votes.most_common(MAX_TOLD))
        return Verdict(_mapping(votes, own), seen, len(newest_of))


def _mapping(votes: Counter[Endpoint], own: Collection[str]) -> Mapping:
    """Three networks must have spoken, and two of them, and more than half, must say the same. Where all say something else the
    mapping depends on the far end."""
    total = votes.total()
    if total < VOICES:
        return Mapping.UNKNOWN
    (at, most), *_ = votes.most_common(1)
    if most >= 2 and 2 * most > total:
        return Mapping.NONE if at.host in own else Mapping.INDEPENDENT
    return Mapping.DEPENDENT if most == 1 else Mapping.UNKNOWN


def _version(at: Endpoint) -> int:
    return 6 if ":" in at.host else 4
