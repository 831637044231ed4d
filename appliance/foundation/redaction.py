"""Takes secrets out of what will be written: by the name of a field, and by the look of a text.

Names find what we pass on purpose. Looks find what is inside an error message of another library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[redacted]"

_SECRET_NAME = re.compile(
    r"(^|_)(key|keys|secret|secrets|token|tokens|password|passwd|passphrase|psk|pem|private|chain|cookie|credential|credentials|authorization)$",
    re.IGNORECASE,
)
_ADDRESS_NAMES = frozenset({"address", "endpoint", "endpoints", "remote", "source"})
"""Fields that tell where somebody is: written at debug only. What this host listens on is called `listen`."""

_SECRET_LOOKS = (
    re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL),
    re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]+"),  # a JSON Web Token
    re.compile(r"(?<=\bBearer )[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"\b[0-9a-fA-F]{64,}\b"),  # 32 bytes or more in hexadecimal: as long as a key
)


def redact_text(text: str) -> str:
    """`text` without PEM blocks, tokens and long hexadecimal strings."""
    for look in _SECRET_LOOKS:
        text = look.sub(HIDDEN, text)
    return text


def redact_fields(fields: Mapping[str, Any], *, addresses: bool) -> dict[str, Any]:
    """Fields as plain JSON, without secrets, and without addresses unless `addresses` is true."""
    shown = {}
    for name, value in fields.items():
        if _SECRET_NAME.search(name):
            shown[name] = HIDDEN
        elif addresses or name not in _ADDRESS_NAMES:
            shown[name] = redact(value)
    return shown


def redact(value: Any) -> Any:
    """A value as plain JSON, without secrets; instead of bytes their number."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"[{len(value)} bytes]"
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__name__}: {value}")
    if isinstance(value, Mapping):
        return redact_fields({str(key): inner for key, inner in value.items()}, addresses=True)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner) for inner in value]
    return redact_text(str(value))
