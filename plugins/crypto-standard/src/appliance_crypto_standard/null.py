"""The suite `null`: no protection at all, for measuring what the ciphers cost. Refused unless the profile sets `crypto.lab`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.api.values import Octets


class Null:
    """Has the shape of an `Aead`, but what it seals stays as it was."""

    def __init__(self, key: bytes) -> None:
        del key

    def encrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Copy `data` into `buf`."""
        del nonce, associated_data
        return self._copy(data, buf)

    def decrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Copy `data` into `buf`."""
        del nonce, associated_data
        return self._copy(data, buf)

    @staticmethod
    def _copy(data: Octets, buf: Octets) -> int:
        source = memoryview(data)
        memoryview(buf)[: source.nbytes] = source
        return source.nbytes
