"""Time limits that end with an error of this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from appliance.sdk.errors import DeadlineExceeded


@asynccontextmanager
async def within(seconds: float | None, what: str) -> AsyncGenerator[None, None]:
    """Raises DeadlineExceeded, and cancels what is under way, when `seconds` have passed. A TimeoutError of the body's own passes
    as it is."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError as error:
        if scope.expired():
            raise DeadlineExceeded(
                f"{what} was not done within {seconds:g} s", hint="allow more time, or ask elsewhere"
            ) from error
        raise
