"""The part of a document that is sound: what is left without the keys that have problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from appliance.profile.document import Document, KeyPath


def without(document: Document, paths: Iterable[str]) -> tuple[Document, Callable[[str], str]]:
    """The document without the keys at these dotted paths, and a function from paths in it to paths in the original.

    A peer with a problem is left out as a whole, and so is any other list: only the other peers stay.
    """
    by_text = {".".join(map(str, path)): path for path in document.spots}
    tree = dict(document.tree)
    bad_peers = set()
    for text in paths:
        path = by_text.get(text, ())
        if path[:1] == ("peers",) and len(path) > 1:
            bad_peers.add(path[1])
        elif path:
            tree = _dropped(tree, path)
    peers = tree.get("peers")
    kept = [index for index in range(len(peers)) if index not in bad_peers] if isinstance(peers, list) else []
    if isinstance(peers, list):
        tree["peers"] = [peers[index] for index in kept]

    def original(text: str) -> str:
        head, *rest = text.split(".")
        if head != "peers" or not rest:
            return text
        return ".".join([head, str(kept[int(rest[0])]), *rest[1:]])

    return Document(tree, {path: spot for path, spot in document.spots.items() if document.at(path) is not None}), original


def _dropped(tree: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    key, *rest = path
    child = tree.get(str(key))
    if rest and isinstance(child, dict):
        return {**tree, str(key): _dropped(child, tuple(rest))}
    return {name: value for name, value in tree.items() if name != key}
