"""How a connection to the database is made: who it is, how it is protected, and what every statement of it may count on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import asyncpg

from appliance.api.stores import StoreBroken
from appliance_store_postgresql.settings import PostgresqlSettings

CONNECT_SECONDS: Final = 5.0
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Password = Callable[[], Awaitable[str | None]]


class Connecting:
    """Makes connections. `password` is asked each time, as it may have been changed; `name` is what the database calls us."""

    def __init__(self, settings: PostgresqlSettings, password: Password, name: str) -> None:
        self._settings = settings
        self._password = password
        self._name = name
        self.where = f"{settings.host}:{settings.port}/{settings.database}"
        """For messages."""
        self.seconds: float = settings.timeout
        """How long a statement may take."""

    async def connect(self) -> Connection:
        """A new connection. Raises asyncpg's errors, OSError, and what `password` raises."""
        settings = self._settings
        made = await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            database=settings.database,
            user=settings.user,
            password=await self._password() or "",
            ssl=await asyncio.to_thread(_protection, settings),
            timeout=CONNECT_SECONDS,
            server_settings=self._session(),
        )
        try:
            if (
                await made.fetchval("SELECT current_setting('synchronous_commit')") == "off"
            ):  # whoever set that for other programs
                await made.execute("SET synchronous_commit = on")
        except BaseException:
            made.terminate()
            raise
        return made

    def _session(self) -> dict[str, str]:
        milliseconds = str(int(self.seconds * 1000))
        return {
            "application_name": self._name,
            "search_path": self._settings.schema_,
            "default_transaction_isolation": "read committed",
            "statement_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
            # All is found by an index; what is known of a table that was empty a moment ago would say otherwise.
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
            "jit": "off",
        }


def _protection(settings: PostgresqlSettings) -> ssl.SSLContext | bool:
    """Reads files. Raises StoreBroken."""
    if settings.verified == "off":
        return False
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        hint = "a file with certificates in PEM, which the API server's user can read"
        raise StoreBroken(f"ca: {settings.ca} cannot be used: {error.strerror or error}", hint=hint) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = settings.verified == "verify-full"
    return context
