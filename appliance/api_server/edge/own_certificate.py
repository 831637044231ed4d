"""The API server's own certificate and keys, in files that nobody else can read:

    key.pem           the key in use
    next.pem          the backup: made ahead, so that its pin can be given to clients before it is used
    certificate.pem   for the key in use; made anew whenever it does not fit

Each step is one rename: whatever is cut off half way is made good at the next look.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from appliance.api_server.edge import certificates
from appliance.api_server.edge.certificates import Certificate
from appliance.errors import HostError


class Own(NamedTuple):
    """What there is to serve with."""

    certificate: bytes
    """PEM."""
    key: bytes
    """PEM, not encrypted."""
    said: Certificate
    backup: str
    """The pin of the key that comes next."""


class OwnCertificate:
    """In `folder`, for `names`. All raise HostError."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names

    def current(self, now: dt.datetime) -> Own:
        """What there is; made or renewed if that is due. The key stays, so pins of it hold."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            key, backup = self._key("key.pem"), self._key("next.pem")
            pem = self._certificate(key, now)
        except (OSError, ValueError) as error:
            raise HostError(
                f"the certificate in {self._folder} cannot be used or made: {error}",
                hint="move the folder away: another key is made at the next start, and clients have to pin that",
            ) from None
        return Own(pem, _pem(key), certificates.read(pem), certificates.pin_of_key(backup))

    def rotate(self, now: dt.datetime) -> Own:
        """Use the backup key from now on, and make another backup."""
        self.current(now)
        try:
            (self._folder / "next.pem").replace(self._folder / "key.pem")
        except OSError as error:
            raise HostError(f"{self._folder}: {error.strerror}") from None
        return self.current(now)

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        path = self._folder / name
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            self._write(name, _pem(made))
        found = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{name} is no key for ECDSA")  # noqa: TRY004
        return found

    def _certificate(self, key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> bytes:
        path = self._folder / "certificate.pem"
        pem = path.read_bytes() if path.exists() else b""
        if not self._fits(pem, key, now):
            pem = certificates.made(key, self._names, now)
            self._write("certificate.pem", pem)
        return pem

    def _fits(self, pem: bytes, key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> bool:
        try:
            found = certificates.read(pem)
        except ValueError:
            return False
        return found.pin == certificates.pin_of_key(key) and found.names == frozenset(self._names) and not found.is_due(now)

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / f".{name}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        path.replace(self._folder / name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
