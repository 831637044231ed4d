"""What a profile may say: nothing leaves the host without TLS unless it says so."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from appliance_store_postgresql.settings import PostgresqlSettings


@pytest.mark.parametrize(
    ("said", "verified"),
    [
        ({}, "off"),
        ({"host": "/tmp"}, "off"),
        ({"host": "localhost"}, "off"),
        ({"host": "127.0.0.1"}, "off"),
        ({"host": "::1"}, "off"),
        ({"host": "localhost.example.net"}, "verify-full"),
        ({"host": "db.example.net"}, "verify-full"),
        ({"host": "10.0.0.1"}, "verify-full"),
        ({"host": "10.0.0.1", "tls": "verify-ca"}, "verify-ca"),
        ({"host": "10.0.0.1", "tls": "off"}, "off"),
        ({"host": "127.0.0.1", "tls": "verify-full"}, "verify-full"),
    ],
)
def test_what_leaves_the_host_is_protected_unless_somebody_says_otherwise(said: dict[str, Any], verified: str) -> None:
    assert PostgresqlSettings(**said).verified == verified


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"host": "postgresql://owner:secret@db/appliance"}, "host"),
        ({"password": "secret"}, "password"),
        ({"password": "env:PASSWORD"}, "password"),
        ({"schema": 'a"; DROP SCHEMA b'}, "schema"),
        ({"schema": "A"}, "schema"),
        ({"connections": 1}, "connections"),
        ({"timeout": 0}, "timeout"),
        ({"limit": "1KiB"}, "limit"),
        ({"ca": "/ca.pem"}, "TLS is off"),
        ({"host": "/run/postgresql", "tls": "verify-full"}, "Unix socket"),
        ({"sslmode": "prefer"}, "sslmode"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PostgresqlSettings.model_validate(said)
