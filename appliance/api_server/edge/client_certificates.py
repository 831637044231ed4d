"""Whose certificate is it that came with a TLS connection? The profile maps certificates to users."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from typing import Any


def user_of(connection: ssl.SSLObject, users: Mapping[str, str]) -> str:
    """The user whose certificate the client proved to have; "" if it had none, or nobody's. `users`: by "sha256:" and the
    fingerprint in hexadecimal, or else by the common name, if the certificate has one."""
    der = connection.getpeercert(binary_form=True)
    if not der:
        return ""
    fingerprint = f"sha256:{hashlib.sha256(der).hexdigest()}"
    if fingerprint in users:
        return users[fingerprint]
    said: Any = connection.getpeercert()
    names = [value for part in said["subject"] for kind, value in part if kind == "commonName"]
    return users.get(names[0], "") if len(names) == 1 else ""
