"""What the API server asks for servers of plugins: letters to those on other members, and the letters that came."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from appliance.control.conversation import Request
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.runtime.knowledge.letters import LettersPart


async def send(letters: LettersPart, request: Request) -> dict[str, Any]:
    """Send one. Raises BadArguments and what `LettersPart.send` raises."""
    box, to, content = (request.args.get(name) for name in ("server", "to", "content"))
    try:
        await letters.send(str(box), str(to), base64.b64decode(str(content), validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadArguments(f"api_letter: {error}") from None
    return {}


async def read(letters: LettersPart, request: Request) -> AsyncGenerator[Any, None]:
    """The first item says that they come from now on."""
    async with aclosing(letters.read(str(request.args.get("server")))) as found:
        yield {"from": "", "content": ""}
        async for sender, content in found:
            yield {"from": sender, "content": base64.b64encode(content).decode()}
