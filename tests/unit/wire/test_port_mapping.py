"""Messages of PCP and NAT-PMP, written down by hand from RFC 6887 and RFC 6886."""

from __future__ import annotations

import pytest

from appliance.wire.port_mapping import (
    Address,
    Mapped,
    decode,
    pcp_request,
    pmp_address_request,
    pmp_request,
)

NONCE = bytes(range(12))
V4 = "00000000000000000000ffff"


def test_a_request_of_pcp_has_the_form_of_rfc_6887() -> None:
    header = "02010000" + "000004b0" + V4 + "0a010002"
    body = NONCE.hex() + "11000000" + "20fb" + "0000" + V4 + "00000000"
    assert pcp_request("10.1.0.2", NONCE, 8443, 0, 1200).hex() == header + body


def test_one_for_ipv6_asks_for_any_ipv6_address() -> None:
    message = pcp_request("2001:db8::2", NONCE, 8443, 8443, 0)
    assert message[8:24].hex() == "20010db8" + "0" * 22 + "02"
    assert message[-16:] == bytes(16)


def test_requests_of_nat_pmp_have_the_form_of_rfc_6886() -> None:
    assert pmp_request(8443, 8443, 1200).hex() == "00010000" + "20fb20fb" + "000004b0"
    assert pmp_address_request().hex() == "0000"


def test_answers_are_read() -> None:
    pcp = bytes.fromhex(
        "02810000" + "000004b0" + "00000064" + "00" * 12 + NONCE.hex() + "11000000" + "20fb9c41" + V4 + "cb007109"
    )
    assert decode(pcp) == Mapped(2, 0, 100, 1200, 8443, 40001, "203.0.113.9", NONCE)
    pmp = bytes.fromhex("00810000" + "00000064" + "20fb9c41" + "000004b0")
    assert decode(pmp) == Mapped(0, 0, 100, 1200, 8443, 40001, "", b"")
    assert decode(bytes.fromhex("00800000" + "00000064" + "cb007109")) == Address(0, 100, "203.0.113.9")


def test_an_error_is_one_however_short_it_is() -> None:
    assert decode(bytes.fromhex("02810002" + "0000003c" + "00000064" + "00" * 12)) == Mapped(2, 2, 100, 60, 0, 0, "", b"")
    assert decode(bytes.fromhex("00810001" + "00000064")) == Mapped(0, 1, 0, 0, 0, 0, "", b"")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x02",
        bytes(8),
        bytes(60),
        bytes.fromhex("02010000") + bytes(56),
        bytes.fromhex("03810000") + bytes(56),
        bytes(2000),
    ],
)
def test_what_is_no_answer_is_none(message: bytes) -> None:
    assert decode(message) is None


def test_no_bytes_raise() -> None:
    for version in range(4):
        for operation in range(256):
            for size in range(70):
                decode(bytes((version, operation)) + bytes((size,)) * size)
