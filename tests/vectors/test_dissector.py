"""tshark reads captures of the test vectors through our dissector. Scapy writes the captures."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance.wire.envelope import FLAG_COOKIE, FLAG_JSON, PacketType, pack
from appliance.wire.fragments import split

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packaging/wireshark/llp.lua"
VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("llp-1.json").read_text())
HELLO, ANSWER, FINISH = (bytes.fromhex(VECTORS[name]) for name in ("client_hello", "server_hello", "client_finish"))
INIT, RESPONSE = PacketType.HANDSHAKE_INIT, PacketType.HANDSHAKE_RESPONSE

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
Row = dict[str, list[str]]


def udp(payloads: list[bytes], port: int = 8443) -> list[Any]:
    from scapy.layers.inet import IP, UDP

    return [IP(src="198.51.100.1", dst="203.0.113.2") / UDP(sport=40000, dport=port) / payload for payload in payloads]


def tcp(payloads: list[bytes], port: int = 8443) -> list[Any]:
    from scapy.layers.inet import IP, TCP

    packets, sequence = [], 1
    for payload in payloads:
        segment = TCP(sport=40000, dport=port, flags="PA", seq=sequence, ack=1)
        packets.append(IP(src="198.51.100.1", dst="203.0.113.2") / segment / payload)
        sequence += len(payload)
    return packets


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """`read(packets, *fields)`: a row for each packet of the capture."""
    from scapy.utils import PcapWriter

    def run(packets: list[Any], *fields: str) -> list[Row]:
        capture = tmp_path / "capture.pcap"
        with PcapWriter(str(capture), linktype=101, sync=True) as writer:
            for packet in packets:
                writer.write(packet)
        wanted = [argument for field in fields for argument in ("-e", field)]
        command = ["tshark", "-X", f"lua_script:{SCRIPT}", "-r", capture, "-T", "fields", "-E", "separator=/t", *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert "Lua" not in done.stderr, done.stderr
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        return [{name: value.split(",") for name, value in zip(fields, row, strict=True)} for row in rows]

    return run


def test_a_whole_handshake_over_datagrams(read: Any) -> None:
    payloads = [
        *split(INIT, 0, 0, 0xA1B200, 7, HELLO, 1400),
        *split(RESPONSE, 0, 0xA1B200, 0xC3D4E00, 7, ANSWER, 1400),
        *split(INIT, 0, 0xC3D4E00, 0xA1B202, 7, FINISH, 1400),
    ]
    rows = read(udp(payloads), "llp.handshake", "llp.fragment", "llp.flags.last", "llp.crc.good")
    names = [row["llp.handshake"][0] for row in rows]
    assert names == ["ClientHello"] * 2 + ["ServerHello"] * 7 + ["ClientFinish"] * 6
    assert [int(row["llp.fragment"][0]) for row in rows] == [*range(2), *range(7), *range(6)]
    assert {row["llp.crc.good"][0] for row in rows} <= {"1", "True"}


def test_every_field_of_the_header(read: Any) -> None:
    packet = pack(PacketType.DATA, 0x02, 0x0C3D4E << 8 | 1, 1000 << 8, 123456, 20) + bytes(20)
    fields = ("proto", "type", "flags.phase", "session", "channel", "number", "fragment", "timestamp", "length")
    (row,) = read(udp([packet]), *(f"llp.{field}" for field in fields))
    values = [int(value[0], 0) for value in row.values()]
    assert values == [0x4C31, 1, 2, 0x0C3D4E, 1, 1000, 0, 123456, 20]


def test_the_fields_of_the_hellos(read: Any) -> None:
    stream = pack(INIT, 0, 0, 0, 0, len(HELLO)) + HELLO + pack(RESPONSE, 0, 0xA1B200, 0, 0, len(ANSWER)) + ANSWER
    cut = [stream[at : at + 1000] for at in range(0, len(stream), 1000)]
    fields = (
        "llp.handshake",
        "llp.hello.index",
        "llp.hello.kex",
        "llp.hello.suite",
        "llp.hello.session_id",
        "llp.hello.mlkem_bytes",
    )
    rows = [row for row in read(tcp(cut), *fields) if row["llp.handshake"] != [""]]
    merged = {name: [value for row in rows for value in row[name] if value] for name in fields}
    assert merged["llp.handshake"] == ["ClientHello", "ServerHello"]
    assert [int(value, 0) for value in merged["llp.hello.index"]] == [0xA1B2, 0xC3D4E]
    assert merged["llp.hello.kex"] == ["1", "1"]
    assert merged["llp.hello.suite"] == ["1", "2", "1"]
    assert merged["llp.hello.session_id"] == [VECTORS["session_id"]]
    assert merged["llp.hello.mlkem_bytes"] == ["1568", "1568"]


def test_json_and_cookies(read: Any) -> None:
    text = VECTORS["client_hello_json"].encode()
    reply = pack(RESPONSE, FLAG_COOKIE, 0xA1B200, 0, 0, 48) + bytes(16) + b"c" * 32
    (json_row,) = read(tcp([pack(INIT, FLAG_JSON, 0, 0, 0, len(text)) + text]), "llp.flags.json", "llp.hello.json")
    assert json.loads(",".join(json_row["llp.hello.json"])) == json.loads(text)
    (cookie_row,) = read(udp([reply]), "llp.handshake", "llp.hello.cookie")
    assert cookie_row == {"llp.handshake": ["CookieReply"], "llp.hello.cookie": [(b"c" * 32).hex()]}


CONTROL = tuple(f"llp.control.{field}" for field in ("kind", "family", "request", "response", "refused", "body"))


def control(read: Any, encoded: bytes, *fields: str) -> dict[str, str]:
    """One record on channel 1 whose body is `encoded`, as the dissector shows it."""
    packet = pack(PacketType.DATA, 0, 7 << 8 | 1, 1 << 8, 0, len(encoded)) + encoded
    (row,) = read(tcp([packet]), *(fields or CONTROL))
    return {field.rpartition(".")[2]: ",".join(value) for field, value in row.items()}


@pytest.mark.parametrize("vector", VECTORS["control"]["messages"], ids=lambda vector: vector["kind"])
def test_a_control_message_that_is_not_sealed(read: Any, vector: dict[str, Any]) -> None:
    row = control(read, bytes.fromhex(vector["encoded"]))
    numbers = {name: str(vector[name] or "") for name in ("request", "response")}
    assert row.pop("refused") in (("1", "True") if vector["refused"] else ("",))
    assert row == {"kind": vector["kind"], "family": vector["kind"].partition(".")[0], "body": vector["body"], **numbers}


def test_a_head_is_shown_as_it_is(read: Any) -> None:
    text = VECTORS["control"]["messages"][0]["encoded"]
    assert control(read, bytes.fromhex(text), "llp.control.head")["head"] == bytes.fromhex(text).decode()


@pytest.mark.parametrize("reason", VECTORS["control"]["refused"])
def test_what_is_no_control_message_does_no_harm(read: Any, reason: str) -> None:
    for text in VECTORS["control"]["refused"][reason]:
        assert control(read, bytes.fromhex(text), "_ws.lua.error") == {"error": ""}


def test_a_sealed_control_message_stays_sealed(read: Any) -> None:
    assert control(read, bytes(range(40)), "llp.control.kind", "llp.body") == {"kind": "", "body": bytes(range(40)).hex()}


def test_other_ports_are_recognised_and_noise_is_not(read: Any) -> None:
    keepalive = pack(PacketType.KEEP_ALIVE, 0, 7 << 8, 1 << 8, 0, 16) + bytes(16)
    damaged = keepalive[:22] + b"\0\0" + keepalive[24:]
    rows = read(udp([keepalive, damaged, b"noise" * 10], port=51820), "_ws.col.Protocol", "llp.crc.good")
    assert [row["_ws.col.Protocol"][0] for row in rows[:2]] == ["LLP", "LLP"]
    assert rows[2]["_ws.col.Protocol"] != ["LLP"]
    assert rows[0]["llp.crc.good"] != rows[1]["llp.crc.good"]


@pytest.mark.parametrize("length", [24, 25, 60, 95, 1000])
def test_short_packets_do_no_harm(read: Any, length: int) -> None:
    whole = pack(INIT, 0, 0, 0, 0, len(HELLO)) + HELLO
    (row,) = read(udp([whole[:length]]), "llp.type", "_ws.lua.error")
    assert row == {"llp.type": ["3"], "_ws.lua.error": [""]}
