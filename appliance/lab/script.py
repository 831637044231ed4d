"""What a lab file asks of its hosts, and what is done to them meanwhile."""

from __future__ import annotations

import itertools
from typing import Final, Literal

from pydantic import Field

from appliance.api.profile_values import Bytes, Count, InterfaceName, Seconds, Switch
from appliance.lab.values import HostName, Section, Share

ProbeKind = Literal[
    "ping", "transfer", "throughput", "mtu", "isolation", "hops", "plugins", "path", "topic", "record", "identity"
]
DeedKind = Literal["kill", "stop", "start", "cut", "heal", "uplink", "flush", "join", "revoke", "introduce", "wait", "say"]
DIRECT: Final = "direct"
RELAYED: Final = "relay"
THEORY: Final = "theory"
PATHS: Final = (DIRECT, RELAYED, THEORY)
"""What may carry a path, besides a host that is named."""
EVERYBODY: Final = "*"
"""In `peers`: each host that is not named. To whom a topic's messages go: each host whose node runs."""
NEEDS: Final[dict[DeedKind, frozenset[str]]] = {
    "kill": frozenset({"host"}),
    "stop": frozenset({"host"}),
    "start": frozenset({"host"}),
    "cut": frozenset({"wire", "apart"}),
    "heal": frozenset({"wire"}),
    "uplink": frozenset({"host", "wire"}),
    "flush": frozenset({"router"}),
    "join": frozenset({"host"}),
    "revoke": frozenset({"host"}),
    "introduce": frozenset({"host", "to"}),
    "wait": frozenset({"seconds"}),
    "say": frozenset({"text"}),
}
"""The keys of each deed. It has no others."""


class _Question(Section):
    """What probes and the steps that are probes have in common."""

    between: tuple[HostName, HostName] | None = Field(default=None, description="The two hosts, both ways.")
    among: tuple[HostName, ...] | None = Field(default=None, min_length=2, description="Each of the hosts to each other one.")
    from_: HostName | None = Field(default=None, alias="from", description="The host that begins.")
    to: HostName | None = Field(default=None, description="The host it speaks to.")
    count: Count = Field(default=5, ge=1, le=1000, description="Packets of a ping, messages of a topic, records of a record.")
    lost: Share = Field(default=0.0, description="Share of a ping's packets that may be lost.")
    size: Bytes = Field(default="1MiB", validate_default=True, ge=1, le=2**40, description="Bytes of a transfer.")
    seconds: Seconds = Field(
        default="3s",
        validate_default=True,
        ge=0.1,
        le=3600,
        description="Length of a throughput probe, or of a wait; of a topic, between new readers and the first message.",
    )
    hops: Count = Field(default=2, ge=1, le=64, description="Least hop limit with which a packet may arrive.")
    via: HostName | None = Field(
        default=None,
        description="What carries the bytes of a path: direct, relay, the host that passes them on, or as theory allows between "
        "the two kinds of NAT. None: whatever it is.",
    )
    over: str | None = Field(
        default=None, max_length=32, description="The transport that a path must go over, as in endpoints. None: whatever it is."
    )
    kept: Switch = Field(
        default=False,
        description="The session of a path must be the one that the first path between the two had; records must be there from "
        "an earlier probe.",
    )
    within: Seconds | None = Field(
        default=None,
        ge=0.1,
        le=3600,
        description="Ask again and again, until it succeeds, for so long; the value is how long that took. Of a topic: the most "
        "that a message may take.",
    )
    fails: Switch = Field(default=False, description="It must fail.")

    @property
    def directions(self) -> tuple[tuple[str, str], ...]:
        """Who speaks to whom."""
        if self.among is not None:
            return tuple(itertools.permutations(self.among, 2))
        if self.between is not None:
            one, other = self.between
            return (one, other), (other, one)
        assert self.from_ is not None
        return ((self.from_, self.to or EVERYBODY),)


class ProbeEntry(_Question):
    """One probe. `between` runs it both ways, `among` between each two, `from` and `to` one way. It runs over IPv4 and IPv6 if
    both ends have them. A topic has `from` alone."""

    probe: ProbeKind


class StepEntry(_Question):
    """One step: a probe, or a deed."""

    probe: ProbeKind | None = Field(default=None, description="What to ask.")
    do: DeedKind | None = Field(default=None, description="What to do.")
    host: HostName | None = Field(default=None, description="Whose node is meant.")
    router: HostName | None = Field(default=None, description="Which router forgets its mappings.")
    wire: InterfaceName | None = Field(default=None, description="Which wire is cut or healed, or the new uplink.")
    apart: tuple[tuple[HostName, ...], ...] | None = Field(
        default=None, min_length=2, description="The groups that a cut leaves. Hosts in none of them stay with the first."
    )
    text: str | None = Field(default=None, max_length=200, description="What to say, one line.")

    def as_probe(self) -> ProbeEntry:
        """The same as one of the `probes`."""
        return ProbeEntry.model_validate(self.model_dump(include={"probe", *_Question.model_fields}, exclude_unset=True))

    @property
    def given(self) -> frozenset[str]:
        """The keys that are written in the file, besides `do`."""
        return frozenset((type(self).model_fields[name].alias or name) for name in self.model_fields_set - {"do"})
