"""The API server's keys and certificate on disk."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from appliance.api_server.edge.own_certificate import OwnCertificate
from appliance.errors import HostError

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=300)


def test_it_is_made_once_and_nobody_else_reads_the_keys(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    own = OwnCertificate(folder, ["localhost"])
    first = own.current(NOW)
    assert own.current(NOW) == first
    assert OwnCertificate(folder, ["localhost"]).current(NOW) == first
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "key.pem": 0o600,
        "next.pem": 0o600,
        "certificate.pem": 0o600,
    }


def test_renewed_or_for_other_names_it_keeps_its_key(tmp_path: Path) -> None:
    first = OwnCertificate(tmp_path / "tls", ["localhost"]).current(NOW)
    renewed = OwnCertificate(tmp_path / "tls", ["localhost"]).current(LATER)
    assert renewed.said.until > first.said.until
    named = OwnCertificate(tmp_path / "tls", ["localhost", "node1.example.net"]).current(LATER)
    assert named.said.names == {"localhost", "node1.example.net"}
    assert first.said.pin == renewed.said.pin == named.said.pin
    assert first.key == named.key


def test_rotated_it_has_the_key_whose_pin_was_told_before(tmp_path: Path) -> None:
    own = OwnCertificate(tmp_path / "tls", ["localhost"])
    before = own.current(NOW)
    after = own.rotate(NOW)
    assert after.said.pin == before.backup
    assert after.backup not in {before.said.pin, before.backup}
    assert own.current(NOW) == after


def test_whatever_was_cut_off_half_way_is_made_good(tmp_path: Path) -> None:
    own = OwnCertificate(tmp_path / "tls", ["localhost"])
    before = own.current(NOW)
    (tmp_path / "tls/next.pem").replace(tmp_path / "tls/key.pem")  # rotated, and killed then
    (tmp_path / "tls/.certificate.pem").write_text("half")
    assert own.current(NOW).said.pin == before.backup
    (tmp_path / "tls/certificate.pem").write_text("garbage")
    assert own.current(NOW).said.pin == before.backup


def test_a_damaged_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    own = OwnCertificate(tmp_path / "tls", ["localhost"])
    own.current(NOW)
    (tmp_path / "tls/key.pem").write_text("garbage")
    with pytest.raises(HostError, match="tls cannot be used or made"):
        own.current(NOW)
    assert (tmp_path / "tls/key.pem").read_text() == "garbage"
