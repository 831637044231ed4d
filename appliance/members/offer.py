"""What a node says of a service that it offers, in its row (`members.row`, part 3): does it work, how busy is it, what else.

The row's text is empty for a service that works and says nothing more; else JSON, with members left out that say the usual:

    {"health": "failing", "load": 40, "metadata": {"version": "2"}}

Whoever reads it passes over members that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode
from appliance.members.row import MOST_TEXT, Service

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
"""As a stream's preface has it (`wire.stream_preface`)."""
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
LOAD_STEP: Final = 10
"""Per cent. A load is told in steps, so that a row is not written anew for every call."""


class Health(StrEnum):
    """What a service's own check says."""

    PASSING = "passing"
    FAILING = "failing"


class OfferRefused(ApplianceError):
    """The service cannot be told to the network like that. Nothing was changed."""

    exit_code = ExitCode.INVALID


class Offer(NamedTuple):
    """A service that others are to find."""

    service: str
    health: Health = Health.PASSING
    load: int = 0
    """Per cent, as the service says itself."""
    metadata: Mapping[str, str] = {}
    """Whatever those who use it agreed on."""


def service_of(offer: Offer) -> Service:
    """As a row has it. Raises OfferRefused."""
    said: dict[str, Any] = {}
    if offer.health is not Health.PASSING:
        said["health"] = offer.health
    if load := min(100, max(0, offer.load)) // LOAD_STEP * LOAD_STEP:
        said["load"] = load
    if offer.metadata:
        said["metadata"] = dict(offer.metadata)
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")) if said else ""
    if not NAME.fullmatch(offer.service):
        raise OfferRefused(
            f"{offer.service!r} is no name of a service", hint="1 to 63 small letters, digits, dots, dashes and underscores"
        )
    if offer_of(Service(offer.service, text)) is None:
        raise OfferRefused(
            f"what service {offer.service} says of itself does not fit into this node's row",
            hint=f"metadata are short texts under short names, in {MOST_TEXT} bytes together; longer ones belong into a stream",
        )
    return Service(offer.service, text)


def offer_of(service: Service) -> Offer | None:
    """What somebody's row says. None if it is nothing that a node of this kind says."""
    name, text = service
    if not NAME.fullmatch(name) or len(text.encode(errors="replace")) > MOST_TEXT or not (text.isprintable() or not text):
        return None
    try:
        said = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
    match said:
        case {}:
            health, load, metadata = said.get("health", Health.PASSING), said.get("load", 0), said.get("metadata", {})
        case _:
            return None
    if health not in tuple(Health) or type(load) is not int or not 0 <= load <= 100:
        return None
    if not isinstance(metadata, dict) or not all(_KEY.fullmatch(key) and isinstance(each, str) for key, each in metadata.items()):
        return None
    return Offer(name, Health(health), load, metadata)
