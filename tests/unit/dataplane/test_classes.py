from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet, Raw, raw

from appliance.dataplane import classes
from appliance.dataplane.classes import BULK, INTERACTIVE, NORMAL, Rule, compile_classifier, rule_from

UDP_PORTS = rule_from({"class": "interactive", "protocol": 17, "ports": [(5060, 5080), (7000, 7000)]})
TO_BACKUP = rule_from({"class": "bulk", "to": "10.9.0.0/16"})
FROM_V6 = rule_from({"class": "bulk", "from": "fd00:9::/32"})


def judged(packet: Packet, *rules: Rule, behind: int = 0) -> int:
    data = bytes(behind) + raw(packet)
    first = data[behind] << 8 | data[behind + 1]
    tos = first & 0xFF if first < 0x6000 else first >> 4 & 0xFF
    classify = compile_classifier(rules)
    found = classify(data, behind, tos)
    assert classify(memoryview(data), behind, tos) == found, "the second time, from memory"
    return found


@pytest.mark.parametrize(
    ("dscp", "kind"),
    [(46, INTERACTIVE), (40, INTERACTIVE), (48, INTERACTIVE), (34, INTERACTIVE), (0, NORMAL), (18, NORMAL), (8, BULK), (1, BULK)],
)
@pytest.mark.parametrize("ecn", [0, 3])
def test_the_dscp_decides_where_no_rule_does(dscp: int, ecn: int, kind: int) -> None:
    assert judged(IP(tos=dscp << 2 | ecn) / UDP()) == kind
    assert judged(IPv6(tc=dscp << 2 | ecn) / UDP()) == kind
    assert judged(IP(tos=dscp << 2 | ecn) / UDP(), UDP_PORTS, behind=10) == kind


def test_the_first_rule_that_fits_decides() -> None:
    ef_is_bulk, ef_is_normal = rule_from({"class": "bulk", "dscp": [46]}), rule_from({"class": "normal", "dscp": [46, 0]})
    assert judged(IP(tos=46 << 2) / UDP(), ef_is_bulk, ef_is_normal) == BULK
    assert judged(IP(tos=46 << 2) / UDP(), ef_is_normal, ef_is_bulk) == NORMAL
    call = IP(dst="10.9.1.1") / UDP(dport=5061)
    assert judged(call, UDP_PORTS, TO_BACKUP) == INTERACTIVE
    assert judged(call, TO_BACKUP, UDP_PORTS) == BULK


@pytest.mark.parametrize("port", [5060, 5080, 7000])
def test_a_port_of_either_end_fits(port: int) -> None:
    assert judged(IP() / UDP(dport=port, sport=9), UDP_PORTS) == INTERACTIVE
    assert judged(IP() / UDP(sport=port, dport=9), UDP_PORTS) == INTERACTIVE
    assert judged(IPv6() / UDP(sport=port, dport=9), UDP_PORTS) == INTERACTIVE
    assert judged(IP(options=b"\x01\x01\x01\x01") / UDP(sport=port, dport=9), UDP_PORTS) == INTERACTIVE, "behind IP options"


@pytest.mark.parametrize(
    "packet",
    [
        IP() / UDP(sport=5059, dport=5081),
        IP() / TCP(dport=5060),
        IP() / ICMP(),
        IP(proto=17, frag=100) / Raw(b"\x13\xc4\x13\xc4" + bytes(16)),
        IP(proto=17) / Raw(b"\x13"),
        IPv6() / IPv6ExtHdrFragment() / UDP(dport=5060),
    ],
    ids=["other-ports", "tcp", "icmp", "later-fragment", "too-short", "extension-header"],
)
def test_where_there_is_no_such_port_no_port_fits(packet: Packet) -> None:
    assert judged(packet, UDP_PORTS) == NORMAL


def test_prefixes_fit_their_own_family_only() -> None:
    assert judged(IP(dst="10.9.255.1") / TCP(), TO_BACKUP, FROM_V6) == BULK
    assert judged(IP(dst="10.10.0.1") / TCP(), TO_BACKUP, FROM_V6) == NORMAL
    assert judged(IPv6(src="fd00:9::1") / TCP(), TO_BACKUP, FROM_V6) == BULK
    assert judged(IPv6(dst="fd00:9::1") / TCP(), TO_BACKUP, FROM_V6) == NORMAL


def test_all_that_is_given_must_fit() -> None:
    rule = rule_from(
        {"class": "bulk", "dscp": [0], "protocol": 6, "ports": [(443, 443)], "from": "10.8.0.0/24", "to": "10.9.0.0/24"}
    )
    fitting = {"src": "10.8.0.1", "dst": "10.9.0.1"}
    assert judged(IP(**fitting) / TCP(dport=443), rule) == BULK
    assert judged(IP(**fitting, tos=72) / TCP(dport=443), rule) == NORMAL
    assert judged(IP(**fitting) / UDP(dport=443), rule) == NORMAL
    assert judged(IP(**fitting) / TCP(dport=80), rule) == NORMAL
    assert judged(IP(src="10.7.0.1", dst="10.9.0.1") / TCP(dport=443), rule) == NORMAL
    assert judged(IP(src="10.8.0.1", dst="10.7.0.1") / TCP(dport=443), rule) == NORMAL


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "REMEMBERED", 4)
    classify = compile_classifier([UDP_PORTS])
    packets = [raw(IP() / UDP(sport=port, dport=9)) for port in (5060, 1, 2, 3, 4, 5, 6, 5061)]
    assert [classify(packet, 0, 0) for packet in packets] == [INTERACTIVE, *[NORMAL] * 6, INTERACTIVE]
    [remembered] = [cell.cell_contents for cell in classify.__closure__ if isinstance(cell.cell_contents, dict)]  # type: ignore[union-attr]
    assert len(remembered) <= 4


@given(packet=st.binary(min_size=20, max_size=80), v6=st.booleans())
def test_any_bytes_have_a_class(packet: bytes, v6: bool) -> None:
    packet = (b"\x60" if v6 else b"\x45") + packet.ljust(40, b"\0")
    assert compile_classifier([UDP_PORTS, TO_BACKUP, FROM_V6])(packet, 0, packet[1]) in range(3)
