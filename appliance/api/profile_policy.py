"""The section `policy` of a profile: who may begin what with this node and through it, and questions that tell whether that is
as it was meant."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from appliance.api.access import Group, What, Who
from appliance.api.profile_section import Section

STREAMS_PORT = 842
"""The port of streams in every node's overlay address: which of them are let in is a matter of services."""


def _who(value: object) -> Who:
    if isinstance(value, Who):
        return value
    if not isinstance(value, str):
        raise ValueError("somebody is written as text: a peer's name, tag:NAME, or a prefix")  # noqa: TRY004  a problem
    return Who.parse(value)


def _sender(value: object) -> Who:
    who = _who(value)
    if who.group is Group.SELF:
        raise ValueError("what this node begins itself is not restricted; say who may come")
    return who


def _what(value: object) -> What:
    if isinstance(value, What):
        return value
    what = What.parse(str(value) if type(value) is int else value if isinstance(value, str) else "")
    if what.ports == (STREAMS_PORT, STREAMS_PORT):
        raise ValueError(f"port {STREAMS_PORT} carries the streams, and these are told apart by service: write service:NAME")
    return what


def _as_string(form: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "$comment": form, "examples": list(examples)})


_AS_TEXT = PlainSerializer(str, return_type=str, when_used="json")
Sender = Annotated[
    Who, PlainValidator(_sender), _AS_TEXT, _as_string("name, tag:NAME, members, peers, any or prefix", "laptop", "tag:guest")
]
"""Who begins."""
Target = Annotated[
    Who, PlainValidator(_who), _AS_TEXT, _as_string("self, name, tag:NAME, members, peers, any or prefix", "self", "10.9.0.0/16")
]
"""Whom it is for."""
Used = Annotated[
    What,
    PlainValidator(_what),
    _AS_TEXT,
    _as_string("service:NAME, services, PROTOCOL or PROTOCOL/PORTS", "service:ssh", "tcp/22"),
]
"""What is used."""


class PolicyRuleEntry(Section):
    """Lets those in `from` use `what` of those in `to`."""

    from_: tuple[Sender, ...] = Field(
        alias="from",
        min_length=1,
        max_length=64,
        description="Who may begin: names of peers, tag:NAME for members with that tag, members, peers, prefixes, or any.",
        examples=[["laptop", "tag:admin"]],
    )
    to: tuple[Target, ...] = Field(
        default=("self",),
        validate_default=True,
        min_length=1,
        max_length=64,
        description="With whom: self is this node. All others are about what this node passes on, between peers and to networks "
        "behind it; any is both.",
        examples=[["10.9.0.0/16"]],
    )
    what: tuple[Used, ...] = Field(
        default=(),
        max_length=64,
        description="What may be used: service:NAME for a stream to a service of this node, services for all of them, or packets "
        "by protocol and port. Empty: everything.",
        examples=[["service:ssh", "tcp/22", "udp/5000-5010", "icmp"]],
    )


class PolicyTestEntry(Section):
    """A question to the rules, and the answer that they are to give."""

    from_: Sender = Field(
        alias="from",
        description="Who would begin: a peer's name, tag:NAME for some member with that tag, members or peers for any of these, "
        "or an address.",
    )
    to: Target = Field(default="self", validate_default=True, description="With whom; absent: this node.")
    what: Used = Field(description="What would be used.")
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")], ...] = Field(
        default=(), max_length=16, description="Tags that a member named in `from` is taken to have."
    )
    expect: Literal["allow", "deny"] = Field(description="The answer.")


class Policy(Section):
    """Access: what others may begin with this node, and through it. What no rule allows is denied. Absent: everything is allowed.
    See docs/policy.md."""

    allow: tuple[PolicyRuleEntry, ...] = Field(
        default=(),
        max_length=256,
        description="What is allowed. The order does not matter, and no rule takes away what another gives.",
    )
    tests: tuple[PolicyTestEntry, ...] = Field(
        default=(), max_length=1024, description="Answers that the rules must give, or the profile is refused."
    )
