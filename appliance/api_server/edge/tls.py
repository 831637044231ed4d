"""TLS as the API server speaks it: by its own certificate, or by one from files that the node reads for it.

loopback and the Unix socket ── plain HTTP      every other address ── TLS 1.3, and nothing while there is no certificate
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from appliance.api.profile_management import Listen, Management
from appliance.api_server.edge import certificates
from appliance.api_server.edge.own_certificate import OwnCertificate
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.foundation.logging import get_logger

log = get_logger("api")

LOOK_EVERY: Final = 60.0
"""Seconds between two looks whether another certificate is there, or due."""


class CertificateUnusable(ApplianceError):
    """The certificate and key of the profile do not go together, or are none."""

    exit_code = ExitCode.INVALID


class Pins(NamedTuple):
    """What clients may pin."""

    pin: str
    """Of the key in use: sha256/BASE64 of its SubjectPublicKeyInfo. "" while there is none."""
    backup: str
    """Of the key that comes next; "" if the files are not ours."""
    until: str
    """When the certificate ends, RFC 3339."""
    source: str
    """"own" or "profile"."""
    exchange: str
    """The key exchange that is offered first."""


NONE_YET: Final = Pins("", "", "", "", "")
EXCHANGE: Final = "X25519MLKEM768" if ssl.OPENSSL_VERSION_INFO >= (3, 5) else "X25519"
"""OpenSSL 3.5 offers the hybrid first by itself; before that it has none, and Python's `ssl` cannot choose."""


class Tls:
    """`files` asks the node for what the profile names: `certificate`, `key` and `clients`, as PEM, "" for what it does not name.
    `told` is called with the pins whenever they change."""

    def __init__(
        self,
        management: Management,
        folder: Path,
        files: Callable[[], Awaitable[Mapping[str, str]]],
        told: Callable[[Pins], Awaitable[None]],
        more: Sequence[Listen] = (),
    ) -> None:
        """`more`: addresses at which others in this process listen."""
        self._management = management
        self._own = OwnCertificate(folder / "tls", _names(management, more))
        self._files = files
        self._told = told
        self._context: ssl.SSLContext | None = None
        self._in_use: tuple[bytes, bytes, str] | None = None
        self._looking = asyncio.Lock()
        self.pins = NONE_YET

    def context(self, listener: socket.socket) -> ssl.SSLContext | None:
        """What to speak with the next connection there; None: plain HTTP. Raises OSError while there is no certificate."""
        if not self.is_secure(listener):
            return None
        if self._context is None:
            raise OSError("there is no certificate")
        return self._context

    def is_secure(self, listener: socket.socket) -> bool:
        """Is TLS spoken there, and nothing else?"""
        if listener.family == socket.AF_UNIX:
            return False
        return self.is_secure_at(ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]))

    def is_secure_at(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Is TLS spoken at that address, and nothing else?"""
        loopback = address.is_loopback
        return self._management.tls.loopback if loopback else not self._management.tls.plain

    @property
    def in_use(self) -> tuple[bytes, bytes, str] | None:
        """The certificate and its key, and who may connect, all PEM; None while there is none."""
        return self._in_use

    async def watch(self) -> None:
        """Look now and again, for ever. What is wrong is logged, and what was in use stays."""
        problem = ""
        while True:
            try:
                await self.look()
                problem = ""
            except (ApplianceError, TimeoutError) as error:
                said = str(error) or "the node does not answer"
                if said != problem:
                    log.error("the certificate cannot be used", reason=said)  # noqa: TRY400  nobody's bug
                problem = said
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Take what is there now. Raises ApplianceError, TimeoutError."""
        async with self._looking:
            await self._take(self._own.current)

    async def rotate(self) -> Pins:
        """Use the backup key from now on. Raises CertificateUnusable if the certificate is the profile's."""
        if self._management.tls.certificate:
            raise CertificateUnusable(
                "the certificate comes from the profile's files", hint="replace them: the new ones are in use within a minute"
            )
        async with self._looking:
            await self._take(self._own.rotate)
        return self.pins

    async def _take(self, own: Callable[[dt.datetime], Any]) -> None:
        files = await self._files()
        if self._management.tls.certificate:
            certificate, key, backup = files["certificate"].encode(), files["key"].encode(), ""
        else:
            found = await asyncio.to_thread(own, dt.datetime.fromtimestamp(clock.wall(), dt.UTC))
            certificate, key, backup = found.certificate, found.key, found.backup
        wanted = certificate, key, files["clients"]
        if wanted == self._in_use:
            return
        self._context = await asyncio.to_thread(_context, certificate, key, files["clients"], old=self._management.tls.tls12)
        self._in_use = wanted
        said = certificates.read(certificate)
        source = "profile" if self._management.tls.certificate else "own"
        self.pins = Pins(said.pin, backup, said.until.isoformat().replace("+00:00", "Z"), source, EXCHANGE)
        log.info("a certificate is in use", pin=self.pins.pin, backup=backup, until=self.pins.until, source=source)
        await self._told(self.pins)


def _names(management: Management, more: Sequence[Listen]) -> list[str]:
    """What the certificate is for: the profile's names, this host's, and each address that it listens at."""
    addresses = [str(each.address) for each in (*management.listen, *management.grpc, *more) if not each.address.is_unspecified]
    host = socket.gethostname().lower()
    named = [host] if host.isascii() and host.replace("-", "").replace(".", "").isalnum() else []
    return list(dict.fromkeys([*(name.lower() for name in management.names), *named, "localhost", *addresses]))


def _context(certificate: bytes, key: bytes, clients: str, *, old: bool) -> ssl.SSLContext:
    """Raises CertificateUnusable."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2 if old else ssl.TLSVersion.TLSv1_3
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    made.set_alpn_protocols(["http/1.1"])
    try:
        with _readable(certificate) as chain, _readable(key) as secret:
            made.load_cert_chain(chain.path, secret.path, password=_no_password)
        certificates.read(certificate)
        if clients:
            made.verify_mode = ssl.CERT_REQUIRED
            made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a bundle may have clients' certificates themselves
            made.load_verify_locations(cadata=clients)
    except (ssl.SSLError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
        raise CertificateUnusable(
            f"the certificate, its key or the clients' bundle cannot be used: {reason}",
            hint="they are PEM, the key without a password",
        ) from None
    return made


def _no_password() -> str:
    raise ValueError("the key has a password")


class _readable:  # noqa: N801  reads as a word
    """Bytes at a path, without a file: OpenSSL as Python has it takes paths only."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __enter__(self) -> Self:
        self._descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        os.write(self._descriptor, self._content)
        self.path = f"/proc/self/fd/{self._descriptor}"
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
