"""The same request twice is one execution: what an Idempotency-Key stands for (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from appliance.errors import ApplianceError, ExitCode

MOST_KEY: Final = 255
"""Characters of a key."""
KEPT_SECONDS: Final = 24 * 3600
"""How long a key stands for its request."""


class KeyReused(ApplianceError):
    """The idempotency key stands for another request. Nothing was begun."""


class KeyInvalid(ApplianceError):
    """That is no idempotency key."""

    exit_code = ExitCode.INVALID


class Known(NamedTuple):
    """What is kept under a key."""

    request: str
    """`fingerprint` of the request."""
    execution: str

    def value(self) -> bytes:
        """As it is stored."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def of(cls, value: bytes) -> Self:
        """What `value` was made of."""
        return cls(**json.loads(value))

    def for_(self, request: str) -> str:
        """The execution of the same request. Raises KeyReused for another one."""
        if self.request != request:
            raise KeyReused("this idempotency key was used for another request", hint="take a new key for each request")
        return self.execution


def fingerprint(template: str, parameters: Mapping[str, Any]) -> str:
    """What tells requests apart. `parameters` without secrets: nothing that is kept may help to guess one."""
    said = json.dumps([template, parameters], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def key_of(user: str, key: str) -> str:
    """Where a user's key is kept. Raises KeyInvalid."""
    if not (0 < len(key) <= MOST_KEY and key.isascii() and key.isprintable()):
        raise KeyInvalid("this is no idempotency key", hint=f"1 to {MOST_KEY} printable characters of ASCII, a UUID for example")
    return hashlib.sha256(json.dumps([user, key]).encode()).hexdigest()
