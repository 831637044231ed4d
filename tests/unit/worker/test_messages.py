"""What the control process and the worker say to each other travels whole, and nothing else is taken for it."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from appliance.worker import orders, reports
from appliance.worker.messages import Family, Message, written
from appliance.worker.orders import ORDERS
from appliance.worker.reports import REPORTS

EXAMPLES = {
    "bool": True,
    "int": 7,
    "float": 0.25,
    "str": "llp0",
    "bytes": b'raw\nbytes, a newline and "quotes" among them\0',
    "Descriptor": 9,
    "SocketAddress": ("2001:db8::1", 8443),
    "Sequence": ["a", ["10.8.0.1/32", "b"]],
    "Mapping": {"datagram": 1400, "device": "wan"},
}
FAMILIES = ((ORDERS, orders), (REPORTS, reports))


def kinds(module: ModuleType) -> list[type[Message]]:
    """The messages of a module, but for those that are part of others."""
    found = (each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__)
    return [each for each in found if issubclass(each, tuple) and each is not orders.SuiteLine]


def example(kind: type[Message], *, empty: bool = False) -> Message:
    """One with something in each field; `empty`: with None where that may be."""
    types = map(written, kind.__annotations__.values())
    return kind(
        *(
            None if empty and each.endswith("| None") else EXAMPLES[each.removesuffix(" | None").partition("[")[0]]
            for each in types
        )
    )


@pytest.mark.parametrize(("family", "kind"), [(family, kind) for family, module in FAMILIES for kind in kinds(module)])
@pytest.mark.parametrize("empty", [False, True])
def test_each_message_travels_whole(family: Family, kind: type[Message], empty: bool) -> None:
    said = example(kind, empty=empty)
    packet, descriptors = family.encode(said)
    heard = family.decode(packet, descriptors)
    assert type(heard) is kind
    assert heard == said


def test_a_key_is_never_text() -> None:
    said = example(orders.SessionAdd)
    chains = EXAMPLES["bytes"]
    packet, _ = ORDERS.encode(said)
    assert packet.endswith(b"\n" + chains)
    assert packet.count(chains) == 1


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\n",
        b"null",
        b"{}\n",
        b'["NoSuchReport",1]\n',
        b'["Stalled"]\n',
        b'["Stalled",1,2]\n',
        b'["Stalled","1"]\n',
        b'["Stalled",true]\n',
        b'["Stalled",1.0]\n',
        b'["Stalled",1]\nbytes that it does not have',
        b'["LinkLoss",1,NaN]\n',
        b'["LinkLoss",1,Infinity]\n',
        b'["Packet",1,["::1"],null]\npacket',
        b'["Packet",1,["::1","8443"],null]\npacket',
        b'["Packet",1,"ab",null]\npacket',
        b'["Ready",true,[]]\n',
        b'["LinkDrop",1]\n',
        b"\xff\xff\n",
        b"[" * 100_000,
        b'["Stalled",' + b"9" * 5000 + b"]\n",
    ],
)
def test_what_is_no_report_is_not_taken_for_one(packet: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, RecursionError)):
        REPORTS.decode(packet)


def test_descriptors_that_do_not_belong_to_an_order_are_no_part_of_it() -> None:
    packet, _ = ORDERS.encode(orders.LinkDrop(1))
    with pytest.raises(ValueError, match="LinkDrop came with"):
        ORDERS.decode(packet, [5])
