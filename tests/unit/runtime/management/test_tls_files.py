"""Files of a certificate, read for the API server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.api.profile_management import ManagementTls
from appliance.errors import HostError
from appliance.runtime.management.tls_files import MOST, tls_files


def test_what_the_profile_names_is_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("certificate")
    (tmp_path / "k.pem").write_text("key")
    found = tls_files(ManagementTls(certificate=str(tmp_path / "c.pem"), key=str(tmp_path / "k.pem")))
    assert found == {"certificate": "certificate", "key": "key", "clients": ""}
    assert set(tls_files(ManagementTls()).values()) == {""}


@pytest.mark.parametrize("content", [None, b"x" * (MOST + 1), b"\xff"])
def test_what_cannot_be_read_is_said_with_its_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "clients.pem").write_bytes(content)
    with pytest.raises(HostError, match=r"clients\.pem: "):
        tls_files(ManagementTls(clients=str(tmp_path / "clients.pem")))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s")
    with pytest.raises(HostError, match="/s: it is no regular file"):
        tls_files(ManagementTls(clients=str(tmp_path / "s")))
