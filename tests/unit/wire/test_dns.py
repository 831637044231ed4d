"""Questions and answers of the DNS; scapy, which knows it well, asks and answers."""

from __future__ import annotations

import random

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR

from appliance.errors import PeerFault
from appliance.wire.dns import TYPE_A, TYPE_AAAA, addresses, question

NAME = "vpn.example"


def answer(asked: bytes, *records: DNSRR, **more: int) -> bytes:
    heard = DNS(asked)
    return bytes(DNS(id=heard.id, qr=1, qd=heard.qd, an=list(records), **more))


def test_a_question_is_what_scapy_reads() -> None:
    heard = DNS(question(77, NAME, TYPE_AAAA))
    assert (heard.id, heard.rd, heard.qdcount) == (77, 1, 1)
    [asked] = heard.qd
    assert (asked.qname, asked.qtype, asked.qclass) == (b"vpn.example.", TYPE_AAAA, 1)
    assert question(77, NAME + ".", TYPE_AAAA) == question(77, NAME, TYPE_AAAA)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example"])
def test_what_is_no_name_is_not_asked(name: str) -> None:
    with pytest.raises(ValueError, match="no DNS name"):
        question(1, name, TYPE_A)


def test_addresses_are_found_behind_aliases() -> None:
    asked = question(5, NAME, TYPE_A)
    alias = DNSRR(rrname=NAME, type="CNAME", rdata="edge.example")
    far = [DNSRR(rrname="edge.example", type="A", rdata=host) for host in ("192.0.2.1", "192.0.2.2")]
    assert addresses(answer(asked, alias, *far), asked) == ["192.0.2.1", "192.0.2.2"]
    asked = question(5, NAME, TYPE_AAAA)
    assert addresses(answer(asked, DNSRR(rrname=NAME, type="AAAA", rdata="2001:db8::1")), asked) == ["2001:db8::1"]
    assert addresses(answer(asked, far[0]), asked) == []
    assert addresses(answer(asked, rcode=3), asked) == []


def test_another_answer_is_none() -> None:
    asked = question(5, NAME, TYPE_A)
    good = answer(asked, DNSRR(rrname=NAME, type="A", rdata="192.0.2.1"))
    other = bytes(DNS(id=5, qr=1, qd=DNSQR(qname="vpn.exampla", qtype="A")))
    for wrong in (asked, other, good[:-1], good[:12], b"", bytes([0, 6]) + good[2:]):
        with pytest.raises(PeerFault):
            addresses(wrong, asked)


def test_noise_is_an_answer_or_a_fault() -> None:
    source, asked = random.Random(1), question(5, NAME, TYPE_A)
    good = answer(asked, *(DNSRR(rrname=NAME, type="A", rdata=f"192.0.2.{host}") for host in range(9)))
    for _ in range(2000):
        noise = bytearray(good)
        for _ in range(source.randrange(1, 9)):
            noise[source.randrange(len(noise))] = source.randrange(256)
        try:
            found = addresses(bytes(noise[: source.randrange(len(noise) + 1)]), asked)
        except PeerFault:
            continue
        assert len(found) <= 32
