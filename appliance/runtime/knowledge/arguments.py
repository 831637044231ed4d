"""Arguments of operations about shared knowledge: judged once, and refused with what would do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.members.network import digest_of_text
from appliance.protocol.identity import PREFIX
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.members.row import Digest
    from appliance.runtime.members.mesh import Mesh

MOST_NAME: Final = 255
"""Characters of a member's name or identity."""


def only(op: str, args: Mapping[str, Any], names: Collection[str]) -> None:
    """There is nothing but these. Raises BadArguments."""
    if unknown := args.keys() - set(names):
        raise BadArguments(f"{op}: there is no argument {min(unknown)[:80]}", hint=f"there are: {', '.join(sorted(names))}")


def key_of(op: str, args: Mapping[str, Any], most: int, name: str = "key") -> bytes:
    """A text of 1 to `most` bytes without control characters, in UTF-8. Raises BadArguments."""
    match args.get(name):
        case str(text) if text.isprintable() and 0 < len(encoded := _utf8(text)) <= most:
            return encoded
        case _:
            raise BadArguments(
                f"{op}: {name} is a text of 1 to {most} bytes without control characters", hint='for example "menu"'
            )


def value_of(op: str, args: Mapping[str, Any], most: int) -> bytes:
    """Bytes: `value` is text, `base64` any. Raises BadArguments."""
    match args.get("value"), args.get("base64"):
        case str(text), None:
            value = _utf8(text)
        case None, str(text):
            try:
                value = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise BadArguments(f"{op}: base64 is none (RFC 4648, section 4)") from None
        case _:
            raise BadArguments(
                f"{op}: there is either value, a text, or base64", hint='for example {"key": "menu", "value": "soup"}'
            )
    if len(value) > most:
        raise BadArguments(
            f"{op}: the value has {len(value)} bytes, and {most} is the most", hint="put it elsewhere, and where that is here"
        )
    return value


def seconds_of(op: str, args: Mapping[str, Any], default: float, least: float, most: float) -> float:
    """How long, in seconds. Raises BadArguments."""
    given = args.get("seconds", default)
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        raise BadArguments(f"{op}: seconds is a number from {least:g} to {most:g}", hint=f"without it {default:g}")
    return float(given)


def member_of(op: str, args: Mapping[str, Any], mesh: Mesh) -> Digest:
    """A member by its name, or anybody by the identity. Raises BadArguments."""
    given = args.get("member")
    if isinstance(given, str) and 0 < len(given) <= MOST_NAME:
        with suppress(ValueError):
            if given.startswith(PREFIX):
                return digest_of_text(given)
        name = given.rstrip(".").lower().removesuffix(f".{mesh.settings.label}")
        for identity, certificate in mesh.members().items():
            if certificate.name == name:
                return digest_of_text(identity)
    raise BadArguments(
        f"{op}: member is the name of a member, or an identity", hint="names and identities are in: appliance network members"
    )


def shown(value: bytes) -> dict[str, str | None]:
    """A value for JSON: `value`, its text if it is one, and `base64`."""
    try:
        text: str | None = value.decode()
    except UnicodeDecodeError:
        text = None
    return {"value": text, "base64": base64.b64encode(value).decode()}


def _utf8(text: str) -> bytes:
    """Lone surrogates, which JSON may have, are no text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadArguments("a text is not valid Unicode") from None
