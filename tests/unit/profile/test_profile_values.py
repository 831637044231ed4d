"""What each kind of value takes and refuses, and that its JSON form reads back as the same value."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError

from appliance.api import profile_values as values

GOOD = "llp1:" + "a" * 52
KINDS = {name: kind for name, kind in vars(values).items() if get_origin(kind) is Annotated}
WRONG = [
    *(None, True, False, -1, 0, 2**63 - 1, -(2**63), 1.5, 548.0, float("inf"), float("nan"), 1e308),
    *("", "auto ", "\0", "9" * 5000, "1e5", "udp://h:1", b"x", {}, {"a": 1}, set(), object()),
    *([], [[], []], [None, None], [True, False], [1.5, 2.5], ["1", "2"], [1, "2"], ["auto"]),
    *((), (None, 1), (1, None), (True, True), (2, 1), (1, 2, 3), (2**63, 0)),
]
"""What a reader may find where a value belongs, and what another program may hand to a model."""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.EndpointText, "udp://[2001:db8::1]:8443"),
        (values.EndpointText, "tcp://vpn.example:1"),
        (values.Prefix, "10.8.0.0/24"),
        (values.Prefix, "::/0"),
        (values.OwnAddress, "fd00:8::1/64"),
        (values.Address, "192.0.2.1"),
        (values.Bytes, "5MB"),
        (values.Seconds, "10min"),
        (values.Seconds, 0.25),
        (values.Identity, GOOD),
        (values.IdentityReference, "file:/etc/appliance/identity"),
        (values.IdentityReference, "vault:node-1"),
        (values.SysctlValue, 1),
        (values.DatagramBytes, "auto"),
        (values.DatagramBytes, 548),
        (values.BitRate, "1.5Gbit"),
        (values.BitRate, 64_000),
        (values.Dscp, "EF"),
        (values.Dscp, 63),
        (values.Protocol, "icmpv6"),
        (values.Protocol, 0),
        (values.Ports, 53),
        (values.Ports, "53"),
        (values.Ports, "5060-5080"),
        (values.Name, "Office.gw-1_a"),
        (values.InterfaceName, "llp0"),
        (values.SysctlKey, "net.ipv4.conf.eth0:1.rp_filter"),
    ],
)
def test_taken(kind: Any, text: object) -> None:
    adapter = TypeAdapter(kind)
    value = adapter.validate_python(text)
    assert adapter.validate_json(adapter.dump_json(value)) == value
    assert adapter.validate_python(value) == value


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (values.EndpointText, "198.51.100.7:8443", "no endpoint"),
        (values.EndpointText, "udp://198.51.100.7", "host and port"),
        (values.EndpointText, "udp://h:0", "1 to 65535"),
        (values.EndpointText, 8443, "written as text"),
        (values.Prefix, "10.8.0.1/24", "did you mean '10.8.0.0/24'?"),
        (values.Prefix, "10.8.0.0/33", "no prefix"),
        (values.Prefix, 10, "written as text"),
        (values.OwnAddress, "10.8.0.1", "lacks its prefix length, for example 10.8.0.1/24"),
        (values.OwnAddress, "fd00::1", "for example fd00::1/64"),
        (values.OwnAddress, "10.8.0", "no address"),
        (values.Address, "vpn.example", "no address"),
        (values.Identity, "ssh:abc", "begins with llp1:"),
        (values.Identity, GOOD[:-1], "damaged"),
        (values.Identity, GOOD[:-1] + "b", "damaged"),
        (values.Identity, GOOD.upper().replace("LLP1", "llp1"), "damaged"),
        (values.IdentityReference, "/etc/id", "file:/etc/id"),
        (values.IdentityReference, "file:", "needs a path"),
        (values.IdentityReference, "file:~/id", "needs a path"),
        (values.SysctlValue, True, "1 or 0"),
        (values.SysctlValue, "a\nb", "one line"),
        (values.DatagramBytes, 547, "548 to 1472"),
        (values.DatagramBytes, True, "548 to 1472"),
        (values.BitRate, "20Mbps", "did you mean 'Mbit'"),
        (values.BitRate, "8kbit", "8kbit is out of the range from 64kbit to 1000Gbit"),
        (values.BitRate, 2_000_000.5, "with its unit"),
        (values.BitRate, True, "with its unit"),
        (values.Dscp, 64, "from 0 to 63, or a name such as ef"),
        (values.Dscp, "af44", "from 0 to 63, or a name such as ef"),
        (values.Dscp, True, "no DSCP"),
        (values.Protocol, "quic", "or one of icmp, tcp, udp"),
        (values.Protocol, 256, "from 0 to 255"),
        (values.Ports, "5080-5060", "the first is the lower"),
        (values.Ports, "1-65536", "at most 65535"),
        (values.Ports, "sip", "no port"),
        (values.Ports, True, "no port"),
        (values.Ports, (True, 5), "no port"),
        (values.Ports, (1.5, 2.5), "no port"),
        (values.Ports, [None, None], "no port"),
        (values.Ports, [1] * 1000, "…"),
        (values.EndpointText, "udp://h:" + "9" * 5000, "from 1 to 65535"),
        (values.Seconds, True, "with its unit"),
        (values.Seconds, float("nan"), "finite"),
        (values.Bytes, True, "integer"),
        (values.Bytes, 1.5, "integer"),
        (values.Count, "5", "integer"),
        (values.Switch, "yes", "boolean"),
        (values.Switch, 1, "boolean"),
        (values.Name, "-a", "pattern"),
        (values.InterfaceName, "sixteen-letters-", "at most 15"),
        (values.InterfaceName, "a/b", "pattern"),
        (values.SysctlKey, "kernel.panic", "pattern"),
        (values.SysctlKey, "net.ipv4/../x", "pattern"),
    ],
)
def test_refused(kind: Any, text: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(text)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_whatever_stands_there_is_a_value_or_a_problem(name: str) -> None:
    adapter = TypeAdapter(KINDS[name])
    for given in WRONG:
        with contextlib.suppress(ValidationError):
            assert adapter.dump_json(adapter.validate_python(given))
