"""Several documents become one: files and their drop-ins, then the environment, then systemd credentials.

Mappings are merged key by key and everything else is replaced by the later document. `peers` is the exception among files: a
drop-in adds its peers to those before, or replaces the ones of the same name, so that a peer can be one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from appliance.profile.document import Document, KeyPath


def merge_files(documents: Sequence[Document]) -> Document:
    """One document of the base and its drop-ins, in the order given."""
    return reduce(lambda base, over: overlay(base, _with_peers_of(base, over)), documents)


def overlay(base: Document, over: Document) -> Document:
    """`over` on top of `base`. The merging of values is pydantic-settings'; places follow it."""
    kept = {path: spot for path, spot in base.spots.items() if not _is_replaced(path, base, over)}
    return Document(_merge(base.tree, over.tree), {**over.spots, **kept})


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    # imported here because it costs 70 ms and most profiles are one file
    from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

    class Layers(BaseSettings):
        tree: dict[str, Any] = {}

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **_more: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return InitSettingsSource(settings_cls, {"tree": over}), InitSettingsSource(settings_cls, {"tree": base})

    return Layers().tree


def _is_replaced(path: KeyPath, base: Document, over: Document) -> bool:
    """Does `over` give this value, or something above it, anew? Mappings on both sides are merged instead."""
    for length in range(1, len(path) + 1):
        part = path[:length]
        if part in over.spots and not (isinstance(base.at(part), dict) and isinstance(over.at(part), dict)):
            return True
    return False


def _with_peers_of(base: Document, over: Document) -> Document:
    before, after = base.tree.get("peers"), over.tree.get("peers")
    if not isinstance(before, list) or not isinstance(after, list):
        return over
    places = {_name(peer): index for index, peer in enumerate(before)}
    places.pop(None, None)
    peers = [(base, index) for index in range(len(before))]
    for index, peer in enumerate(after):
        place = places.pop(_name(peer), len(peers))
        peers[place : place + 1] = [(over, index)]
    spots = {path: spot for path, spot in over.spots.items() if path[:1] != ("peers",) or len(path) == 1}
    for place, (document, index) in enumerate(peers):
        theirs = ((path, spot) for path, spot in document.spots.items() if path[:2] == ("peers", index))
        spots |= {("peers", place, *path[2:]): spot for path, spot in theirs}
    return Document({**over.tree, "peers": [document.tree["peers"][index] for document, index in peers]}, spots)


def _name(peer: object) -> str | None:
    name = peer.get("name") if isinstance(peer, dict) else None
    return name if isinstance(name, str) else None
