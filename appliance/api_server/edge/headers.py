"""Header fields that every answer has."""

from __future__ import annotations

from typing import Final

API_VERSION: Final = b"1"
"""Of the paths under /api/v1. It changes when something in them disappears or changes its meaning."""
SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-api-version", API_VERSION),
)
"""What says otherwise itself, as a page does about its scripts, is left as it is."""
HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
"""RFC 6797; only by TLS. A browser heeds it only where it trusts the certificate, and never for a bare address."""
