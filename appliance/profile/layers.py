"""Several documents become one: files and their drop-ins, then the environment, then systemd credentials.

Mappings are merged key by key and everything else is replaced by the later document. `peers` is the exception among files: a
drop-in adds its peers to those before, or replaces the ones of the same name, so that a peer can be one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.profile.document import Document, KeyPath, Spot, walk


def merge_files(documents: Sequence[Document]) -> Document:
    """One document from the base and its drop-ins, in the order given. Takes as long as reading each of them once, since every
    peer may be a file of its own."""
    if len(documents) == 1:
        return documents[0]
    pile = _Pile(documents[0].spots[()])
    for document in documents:
        pile.lay(document)
    return pile.merged()


def overlay(base: Document, over: Document) -> Document:
    """`over` on top of `base`. pydantic-settings merges the values; their places follow."""
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
    """Does `over` replace this value, or one above it? Mappings on both sides are merged instead."""
    for length in range(1, len(path) + 1):
        part = path[:length]
        if part in over.spots and not (isinstance(base.at(part), dict) and isinstance(over.at(part), dict)):
            return True
    return False


class _Pile:
    """What was merged so far, with the peers kept apart."""

    def __init__(self, root: Spot) -> None:
        self._tree: dict[str, Any] = {}
        self._spots: dict[KeyPath, Spot] = {(): root}
        self._peers: list[tuple[Document, int]] | None = None  # where each stands; None: `peers` is no list, or is not there
        self._places: dict[str, int] = {}

    def lay(self, over: Document) -> None:
        """Put a document on top."""
        self._lay(self._tree, over.tree, (), over)
        if "peers" in over.tree:
            self._lay_peers(over)

    def merged(self) -> Document:
        if self._peers is not None:
            self._tree["peers"] = [document.tree["peers"][index] for document, index in self._peers]
            for place, (document, index) in enumerate(self._peers):
                for path, _ in walk(document.tree["peers"][index], ("peers", index)):
                    self._spots["peers", place, *path[2:]] = document.spots[path]
        return Document(self._tree, self._spots)

    def _lay(self, under: dict[str, Any], over: dict[str, Any], path: KeyPath, document: Document) -> None:
        for key, value in over.items():
            here, before = (*path, key), under.get(key)
            if isinstance(before, dict) and isinstance(value, dict):
                self._lay(before, value, here, document)
                continue
            for gone, _ in walk(before, here):
                self._spots.pop(gone, None)
            self._spots[here] = document.spots[here]
            if isinstance(value, dict):
                under[key] = {}
                self._lay(under[key], value, here, document)
            elif here == ("peers",) and isinstance(value, list):
                under[key] = []  # see `merged`
            else:
                under[key] = value
                self._spots |= {there: document.spots[there] for there, _ in walk(value, here)}

    def _lay_peers(self, over: Document) -> None:
        added = over.tree["peers"]
        if not isinstance(added, list):
            self._peers, self._places = None, {}
            return
        peers, later = self._peers or [], {}
        for index, peer in enumerate(added):
            name = _name(peer)
            place = len(peers) if name is None else self._places.pop(name, len(peers))
            peers[place : place + 1] = [(over, index)]
            if name is not None:
                later[name] = place  # for the next file: a name that is twice in this one is a mistake, to be told of
        self._peers = peers
        self._places |= later


def _name(peer: object) -> str | None:
    name = peer.get("name") if isinstance(peer, dict) else None
    return name if isinstance(name, str) else None
