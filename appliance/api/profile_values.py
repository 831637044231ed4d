"""The values a profile is made of, as annotated types: each knows its text form, its limits and its JSON Schema.

For the profile's own models and for the settings models of plugins. A ValueError raised here becomes a problem with file, line
and column, so its sentence is written for the admin.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from appliance.api.access import PROTOCOLS
from appliance.api.units import format_bytes, format_rate, format_seconds, parse_bytes, parse_rate, parse_seconds
from appliance.api.values import Endpoint, Interface, Network

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
DNS_LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
DSCP_NAMES = {
    "be": 0,
    "df": 0,
    "le": 1,
    "va": 44,
    "ef": 46,
    **{f"cs{number}": 8 * number for number in range(8)},
    **{f"af{number}{drop}": 8 * number + 2 * drop for number in range(1, 5) for drop in range(1, 4)},
}
"""RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622."""
SYSCTL_PATTERN = r"^net(\.[A-Za-z0-9_@:-]+)+$"


def _text(value: object, noun: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{noun} is written as text in quotes")  # noqa: TRY004 — pydantic turns only ValueError into a problem
    return value


def _shown(value: object) -> str:
    """The value for a message, shortened: a whole list may be where a number belongs."""
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"


def _endpoint(value: object) -> Endpoint:
    return value if isinstance(value, Endpoint) else Endpoint.parse(_text(value, "an endpoint"))


def _network(value: object) -> Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    text = _text(value, "a prefix")
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no prefix: write address/length, for example 10.8.0.0/24 or fd00:8::/64") from None
    raise ValueError(f"{text!r} has bits set behind the prefix length, did you mean {str(loose)!r}?")


def _interface(value: object) -> Interface:
    if isinstance(value, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        return value
    text = _text(value, "an address")
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address: write address/length, for example 10.8.0.1/24 or fd00:8::1/64") from None
    if "/" not in text:
        raise ValueError(f"{text!r} lacks its prefix length, for example {text}/{24 if interface.version == 4 else 64}")
    return interface


def _address(value: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return value
    text = _text(value, "an address")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address, for example 10.8.0.1 or fd00:8::1") from None


def _bytes(value: object) -> object:
    return parse_bytes(value) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a duration is written with its unit, for example 60s, 10min or 250ms")  # noqa: TRY004
    return parse_seconds(value) if isinstance(value, str) else value


def _identity(value: object) -> str:
    text = _text(value, "an identity")
    if not text.startswith("llp1:"):
        raise ValueError("an identity begins with llp1: as `appliance keys show` prints it")
    return _fingerprint(text, "an identity")


def _network_name(value: object) -> str:
    text = _text(value, "a network's name")
    if not text.startswith("llpn1:"):
        raise ValueError("a network's name begins with llpn1: as `appliance network show` prints it")
    return _fingerprint(text, "a network's name")


def _fingerprint(text: str, what: str) -> str:
    prefix, _, body = text.partition(":")
    try:
        digest = base64.b32decode(body.upper() + "=" * (-len(body) % 8))
    except binascii.Error:
        digest = b""
    if len(digest) != 32 or body != base64.b32encode(digest).decode().rstrip("=").lower():
        raise ValueError(
            f"{what} has 52 of the characters a-z and 2-7 after {prefix}:, this one is damaged ({len(body)} characters)"
        )
    return text


def _reference(value: object) -> str:
    text = _text(value, "an identity reference")
    scheme, separator, rest = text.partition(":")
    if not separator or not re.fullmatch(r"[a-z][a-z0-9-]*", scheme):
        raise ValueError(
            f"say where the identity is, for example file:{text if text.startswith('/') else '/etc/appliance/identity'}"
        )
    if not rest or rest.startswith("~") or "\0" in rest:
        raise ValueError(f"{scheme}: needs a path or name behind it, for example file:/etc/appliance/identity")
    return text


def _sysctl_value(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a sysctl is a number or text; write 1 or 0 for on or off")  # noqa: TRY004
    text = str(value)
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError("a sysctl's value is one line of up to 200 printable characters")
    return text


def _datagram(value: object) -> int | Literal["auto"]:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 548 <= value <= 1472):
        return value
    raise ValueError("write auto, or a number of bytes from 548 to 1472")


def _rate(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a rate is written with its unit, for example 20Mbit or 1.5Gbit")  # noqa: TRY004
    rate = parse_rate(value) if isinstance(value, str) else value
    if not 64_000 <= rate <= 10**12:
        raise ValueError(f"{format_rate(rate)} is out of the range from 64kbit to 1000Gbit")
    return rate


def _dscp(value: object) -> int:
    if isinstance(value, str) and value.lower() in DSCP_NAMES:
        return DSCP_NAMES[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 63:
        return value
    raise ValueError(f"{_shown(value)} is no DSCP: write a number from 0 to 63, or a name such as ef, cs1 or af41")


def _protocol(value: object) -> int:
    if isinstance(value, str) and value.lower() in PROTOCOLS:
        return PROTOCOLS[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise ValueError(f"{_shown(value)} is no protocol: write a number from 0 to 255, or one of {', '.join(PROTOCOLS)}")


def _ports(value: object) -> tuple[int, int]:
    if isinstance(value, tuple) and len(value) == 2 and all(type(port) is int for port in value):  # as it was validated before
        low, high = value
    elif type(value) is int:  # not a bool
        low = high = value
    elif isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", value, re.ASCII)):
        low, high = int(found[1]), int(found[2] or found[1])
    else:
        raise ValueError(f"{_shown(value)} is no port: write a number, or a range such as 5060-5080")
    if not 0 <= low <= high <= 65535:
        raise ValueError(f"{_ports_text((low, high))} is no range of ports: the first is the lower, and the last at most 65535")
    return low, high


def _ports_text(value: tuple[int, int]) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]}-{value[1]}"


def _workers(value: object) -> int | Literal["auto"]:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 16):
        return value
    raise ValueError("write auto, or a number of processes from 1 to 16")


_AS_TEXT = PlainSerializer(str, return_type=str, when_used="json")


def _as_string(form: str, **more: Any) -> WithJsonSchema:
    """This form is used if a field has no description of its own; docs/profile.md shows it as the kind of value."""
    return WithJsonSchema({"type": "string", "$comment": form, **more})


EndpointText = Annotated[
    Endpoint,
    PlainValidator(_endpoint),
    _AS_TEXT,
    _as_string("scheme://host:port", pattern=r"^((udp|tcp)://.+:\d+|(?!(udp|tcp):)[A-Za-z]\w*://\S+)$"),
]
"""An `Endpoint`, written as scheme://host:port."""
Prefix = Annotated[
    Network, PlainValidator(_network), _AS_TEXT, _as_string("address/length", examples=["10.8.0.0/24", "fd00:8::/64"])
]
"""An IPv4 or IPv6 prefix without host bits. A lone address means that one host."""
OwnAddress = Annotated[Interface, PlainValidator(_interface), _AS_TEXT, _as_string("address/length", examples=["10.8.0.1/24"])]
"""An IPv4 or IPv6 address with the length of its prefix."""
Address = Annotated[ipaddress.IPv4Address | ipaddress.IPv6Address, PlainValidator(_address), _AS_TEXT, _as_string("address")]
Bytes = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(strict=True),
    PlainSerializer(format_bytes, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(B|[kKMG]B|[KMG]iB)$"}, {"type": "integer"}]}),
]
"""A number of bytes: an integer, or text such as "5MB" (powers of 1000) and "512KiB" (powers of 1024)."""
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(allow_inf_nan=False),
    PlainSerializer(format_seconds, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|min|h|d)$"}, {"type": "number"}]}),
]
"""A duration: text such as "250ms", "60s", "10min", "12h", or a number of seconds."""
BitRate = Annotated[
    int,
    PlainValidator(_rate),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "$comment": "rate", "pattern": r"^[0-9]+(\.[0-9]+)? ?[kMG]?bit$"},
                {"type": "integer", "minimum": 64_000, "maximum": 10**12},
            ]
        }
    ),
]
"""Bits a second: text such as "512kbit", "20Mbit", "1.5Gbit", or a number."""
Dscp = Annotated[
    int,
    PlainValidator(_dscp),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": sorted(DSCP_NAMES)}, {"type": "integer", "minimum": 0, "maximum": 63}]}),
]
"""A differentiated services code point: a number from 0 to 63, or its name."""
Protocol = Annotated[
    int,
    PlainValidator(_protocol),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": sorted(PROTOCOLS)}, {"type": "integer", "minimum": 0, "maximum": 255}]}),
]
"""An IP protocol: a number from 0 to 255, or its name."""
Ports = Annotated[
    tuple[int, int],
    PlainValidator(_ports),
    PlainSerializer(_ports_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "$comment": "first-last", "pattern": "^[0-9]+(-[0-9]+)?$"},
                {"type": "integer", "minimum": 0, "maximum": 65535},
            ]
        }
    ),
]
"""A port, or a range of ports, both ends included."""
Count = Annotated[int, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Identity = Annotated[str, PlainValidator(_identity), _as_string("llp1:…", pattern="^llp1:[a-z2-7]{52}$")]
"""The public identity of a node, as `appliance keys show` prints it."""
NetworkName = Annotated[str, PlainValidator(_network_name), _as_string("llpn1:…", pattern="^llpn1:[a-z2-7]{52}$")]
"""The fingerprint of a network of members."""
IdentityReference = Annotated[str, PlainValidator(_reference), _as_string("scheme:reference", pattern="^[a-z][a-z0-9-]*:.+$")]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=63)]
"""A name that is safe in file names, labels and log lines."""
RendezvousTag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""Under which members find each other."""
DnsLabel = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, max_length=63)]
"""One label of a DNS name, in lower case (RFC 1123, section 2.1)."""
InterfaceName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=15)]
"""A network interface's name; 15 characters is the kernel's IFNAMSIZ less its end mark."""
SysctlKey = Annotated[str, Field(pattern=SYSCTL_PATTERN, max_length=200)]
SysctlValue = Annotated[str, PlainValidator(_sysctl_value), WithJsonSchema({"type": ["string", "integer"]})]
DatagramBytes = Annotated[
    int | Literal["auto"],
    PlainValidator(_datagram),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 548, "maximum": 1472}]}),
]
Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 16}]}),
]
SecretFile = Annotated[str, Field(pattern=r"^file:/", max_length=4096, examples=["file:/etc/appliance/password"])]
"""Where a secret stands that the settings of a plugin need: `api.api_parts.ApiServices.secret` has it read."""
KindSettings = Mapping[str, Any]
