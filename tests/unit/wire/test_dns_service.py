"""What a name server reads and writes; scapy, which knows the DNS well, asks and reads the answers."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRROPT

from appliance.errors import PeerFault
from appliance.wire.dns_service import (
    TYPE_OPT,
    Code,
    Question,
    address_record,
    answer,
    answers,
    cut,
    pointer_record,
    read_question,
    with_number,
)

NAME = "laptop.home"
ADDRESS = ipaddress.ip_address("10.8.0.2")


def asked(name: str = NAME, kind: str = "A", *, room: int = 0, version: int = 0, **more: int) -> bytes:
    extra = [DNSRROPT(rclass=room, extrcode=0, version=version)] if room or version else []
    return bytes(DNS(id=7, rd=1, qd=[DNSQR(qname=name, qtype=kind)], ar=extra, **more))


def test_a_question_is_understood() -> None:
    question = read_question(asked("LapTop.HOME.", "AAAA"))
    assert (question.number, question.folded, question.kind, question.code) == (7, NAME, 28, Code.NO_ERROR)
    assert question.name == (b"LapTop", b"HOME")
    assert (question.room, question.extended) == (512, False)


@pytest.mark.parametrize(("said", "room"), [(100, 512), (700, 700), (4096, 1232)])
def test_an_answer_is_as_long_as_both_want(said: int, room: int) -> None:
    assert read_question(asked(room=said)).room == room


def test_an_address_goes_back_under_the_name_as_it_was_written() -> None:
    heard = DNS(answer(read_question(asked("LapTop.home", room=1232)), records=[address_record(ADDRESS, 30)], zone="home"))
    assert (heard.id, heard.qr, heard.aa, heard.ra, heard.rd, heard.rcode) == (7, 1, 1, 1, 1, 0)
    [record] = heard.an
    assert (record.rrname, record.rdata, record.ttl) == (b"LapTop.home.", "10.8.0.2", 30)
    [extra] = heard.ar
    assert (extra.type, extra.rclass) == (TYPE_OPT, 1232)


def test_a_pointer_goes_back() -> None:
    heard = DNS(answer(read_question(asked("2.0.8.10.in-addr.arpa", "PTR")), records=[pointer_record(NAME, 5)], zone="home"))
    assert heard.an[0].rdata == b"laptop.home."


def test_a_no_says_how_long_it_holds() -> None:
    heard = DNS(answer(read_question(asked()), Code.NO_SUCH_NAME, zone="home", negative_seconds=5))
    assert heard.rcode == 3
    [soa] = heard.ns
    assert (soa.rrname, soa.minimum, soa.ttl, soa.mname) == (b"home.", 5, 5, b"home.")


def test_what_does_not_fit_is_asked_for_by_tcp() -> None:
    question = read_question(asked())
    records = [address_record(ipaddress.ip_address(number), 30) for number in range(2**31, 2**31 + 40)]
    short = answer(question, records=records, zone="home")
    heard = DNS(short)
    assert (heard.tc, heard.ancount, len(short) <= 512) == (1, 0, True)
    assert DNS(answer(question, records=records, zone="home", room=65535)).ancount == 40


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (asked(opcode=2), Code.NOT_IMPLEMENTED),
        (bytes(DNS(id=7, qd=[])), Code.MALFORMED),
        (bytes(DNS(id=7, qd=[DNSQR(qname=NAME), DNSQR(qname=NAME)])), Code.MALFORMED),
        (asked()[:-3], Code.MALFORMED),
        (bytes.fromhex("0007 0100 0001 0000 0000 0000 c00c 0001 0001"), Code.MALFORMED),  # a name that points at itself
        (bytes(DNS(id=7, qd=[DNSQR(qname=NAME, qclass=3)])), Code.REFUSED),
        (asked(version=1), Code.BAD_VERSION),
    ],
)
def test_what_is_no_proper_question_is_told_so(message: bytes, code: Code) -> None:
    question = read_question(message)
    assert question.code is code
    heard = DNS(answer(question, question.code))
    assert (heard.id, heard.qr, heard.rcode) == (7, 1, code & 15)
    if code is Code.BAD_VERSION:
        assert heard.ar[0].extrcode == 1


@pytest.mark.parametrize("message", [b"", b"\0" * 11, bytes(DNS(id=7, qr=1, qd=[DNSQR(qname=NAME)]))])
def test_what_is_no_question_gets_no_answer(message: bytes) -> None:
    with pytest.raises(PeerFault):
        read_question(message)


@given(st.binary(max_size=600) | st.binary(max_size=60).map(lambda tail: asked()[:12] + tail))
def test_nothing_that_anybody_sends_raises_anything_else(message: bytes) -> None:
    with suppress(PeerFault):
        question = read_question(message)
        assert len(answer(question, question.code)) <= max(512, len(message) + 20)


def test_only_the_answer_to_our_question_is_one() -> None:
    message = asked()
    section = read_question(message).section
    good = bytes(DNS(id=7, qr=1, qd=[DNSQR(qname=NAME.upper())]))
    assert answers(good, message, section)
    assert answers(with_number(message, 9)[:2] + good[2:], with_number(message, 9), section)
    assert not answers(with_number(good, 8), message, section)
    assert not answers(message, message, section)
    assert not answers(bytes(DNS(id=7, qr=1, qd=[DNSQR(qname="other.home")])), message, section)
    assert not answers(good[:5], message, section)
    assert answers(bytes(DNS(id=7, qr=1, rcode=5, qd=[])), message, section), "some leave the question out when they refuse"


def test_an_answer_that_is_too_long_is_cut() -> None:
    question: Question = read_question(asked())
    heard = DNS(cut(answer(question, records=[address_record(ADDRESS, 1)], zone="home"), question.section))
    assert (heard.tc, heard.ancount, heard.qd[0].qname) == (1, 0, b"laptop.home.")
