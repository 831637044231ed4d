"""YAML 1.2 text becomes a document.

A parser gives events; values are made from them here, after the core schema of YAML 1.2 (section 10.3), so that `no`, `22:22`
and dates are text and each key and value keeps its place. What YAML 1.1 tools read differently without saying so is a problem.
Nesting, aliases and the size they unfold to are bounded, and nothing recurses while reading.

libyaml reads first, since it is 25 times as fast. Whatever is unusual or wrong is read again by ruamel.yaml, which knows YAML 1.2
and can say what is wrong (docs/adr/0023-two-readers-of-yaml.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from appliance.profile.document import INTEGERS, Document, KeyPath, Source, Spot
from appliance.profile.problems import LocatedProblem, at
from appliance.profile.yaml_events import AliasEvent, DocumentStartEvent, Event, NodeEvent, ScalarEvent
from appliance.profile.yaml_quick import Unusual, quick_events

MAX_DEPTH = 32
MAX_ALIASES = 1000
MAX_VALUES = 500_000
"""Keys, values and collections, with aliases unfolded. A hub of 25,000 peers has fewer; reading so many takes seconds."""

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+", re.ASCII)
_HALF = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, which an escape can write: no character, and no output can carry it."""
_TEXT_TAGS = frozenset(("!", "tag:yaml.org,2002:str"))


def read_yaml(text: str, source: Source) -> tuple[Document | None, list[LocatedProblem]]:
    """The document in `text`, and what is wrong with it as YAML. None: it could not be read to its end."""
    document = read_quickly(text, source)
    return (document, []) if document is not None else read_carefully(text, source)


def read_quickly(text: str, source: Source) -> Document | None:
    """The document as libyaml reads it. None: something is unusual or wrong, which is for `read_carefully`."""
    builder = _Builder(source)
    try:
        builder.take_all(quick_events(text))
    except (Unusual, _Stop):
        return None
    document = builder.document()
    return None if builder.problems or not isinstance(document.tree, dict) else document


def read_carefully(text: str, source: Source) -> tuple[Document | None, list[LocatedProblem]]:
    """The same as `read_yaml`, by ruamel.yaml only."""
    # imported here because few profiles need it
    from appliance.profile.yaml_careful import NotYAML, careful_events

    builder = _Builder(source)
    try:
        builder.take_all(careful_events(text, source))
    except _Stop:
        pass
    except NotYAML as error:
        builder.problems.append(error.problem)
    except (ValueError, IndexError, AssertionError, AttributeError, TypeError, OverflowError) as error:
        # the scanner raises bare errors on some malformed escapes, tags and directives
        builder.problems.append(at(source, *builder.reached, f"this is not YAML ({error})"))
    else:
        return builder.document(), builder.problems
    return None, builder.problems


@dataclass(slots=True)
class _Node:
    """A value, its place, and how much it unfolds to. Aliases share nodes."""

    value: Any
    line: int
    column: int
    width: int
    plain: bool = False
    anchor: str | None = None
    size: int = 1
    depth: int = 1
    entries: dict[str, tuple[_Node, _Node]] = field(default_factory=dict)
    items: list[_Node] = field(default_factory=list)
    key: _Node | None = None  # of the entry being read


class _Stop(Exception):
    """Reading on would only produce noise, or take too long."""


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[LocatedProblem] = []
        self.root: _Node | None = None
        self.reached = (1, 1)
        self._width = 1
        self._open: list[_Node] = []
        self._anchors: dict[str, _Node] = {}
        self._aliases = 0
        self._documents = 0
        self._values = 0

    def take_all(self, events: Iterable[Event]) -> None:
        # by name, since both parsers have classes of these names
        takers: dict[str, Callable[[Any], None]] = {
            "DocumentStartEvent": self._document_begins,
            "AliasEvent": lambda event: self._place(self._aliased(event)),
            "ScalarEvent": lambda event: self._place(self._scalar(event)),
            "MappingStartEvent": self._mapping_begins,
            "SequenceStartEvent": self._sequence_begins,
            "MappingEndEvent": self._collection_ends,
            "SequenceEndEvent": self._collection_ends,
        }
        for event in events:
            start, end = event.start_mark, event.end_mark
            self.reached = (start.line + 1, start.column + 1)
            self._width = end.column - start.column if end.line == start.line else 1
            if taker := takers.get(type(event).__name__):
                taker(event)

    def document(self) -> Document:
        return _document(self.root or _Node(None, 1, 1, 1), self.source)

    def _refuse(self, message: str, hint: str = "", *, stop: bool = False) -> None:
        self.problems.append(at(self.source, *self.reached, message, hint, width=self._width))
        if stop:
            raise _Stop

    def _document_begins(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse("a second document begins here", "one file holds one profile; remove the line ---", stop=True)
        if event.version is not None and tuple(event.version) != (1, 2):
            self._refuse("the file asks for another version of YAML", "profiles are YAML 1.2; remove the line %YAML")

    def _node(self, value: Any, event: NodeEvent, *, plain: bool = False) -> _Node:
        start, end = event.start_mark, event.end_mark
        width = end.column - start.column if end.line == start.line else len(self.source.lines[start.line]) - start.column
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(f"more than {MAX_VALUES} values", "is this the right file?", stop=True)
        return _Node(value, start.line + 1, start.column + 1, max(1, width), plain, event.anchor)

    def _mapping_begins(self, event: NodeEvent) -> None:
        self._collection_begins(event, {})

    def _sequence_begins(self, event: NodeEvent) -> None:
        self._collection_begins(event, [])

    def _collection_begins(self, event: NodeEvent, value: dict[str, Any] | list[Any]) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", stop=True)
        if event.tag is not None and event.tag not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}:
            self._refuse(_tag_refusal(event.tag), "remove it")
        self._open.append(self._node(value, event))

    def _collection_ends(self, _event: Event) -> None:
        self._place(self._open.pop())

    def _scalar(self, event: ScalarEvent) -> _Node:
        plain = not event.style and event.tag is None
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._refuse(_tag_refusal(event.tag), "remove it")
        if not event.value.isascii() and _HALF.search(event.value):
            self._refuse("an escape here is half a character", "write the character itself")
        is_key = bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None
        value = self._plain_value(event.value) if plain and not is_key else event.value
        if plain and not event.value and self._open and self._open[-1].key is not None:
            return self._absent(self._open[-1].key, event.anchor)
        return self._node(value, event, plain=plain)

    def _absent(self, key: _Node, anchor: str | None) -> _Node:
        """A key without a value: the scanner has gone on to the next line by now, the admin looks behind the colon."""
        self._values += 1
        return _Node(None, key.line, key.column + key.width, 1, plain=True, anchor=anchor)

    def _plain_value(self, text: str) -> Any:
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if _LEADING_ZERO.fullmatch(text):
            octal = f"0o{text.lstrip('+-0') or '0'}"
            self._refuse(
                f"{text[:40]} has a leading zero: older YAML reads an octal number here",
                f"write {text.lstrip('+-0')[:40] or '0'}, {octal[:40]} or quotes around it",
            )
            return text
        try:
            if _INTEGER.fullmatch(text):
                return self._integer(int(text, 0) if text[:2] in {"0x", "0o"} else int(text))
            if _FLOAT.fullmatch(text):
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:  # more digits than Python converts
            return self._integer(INTEGERS.stop)
        return text

    def _integer(self, number: int) -> int:
        if number in INTEGERS:
            return number
        self._refuse("this number is too large", "whole numbers have up to 64 bits")
        return 0

    def _aliased(self, event: AliasEvent) -> _Node:
        self._aliases += 1
        node = self._anchors.get(event.anchor)
        if self._aliases > MAX_ALIASES:
            self._refuse(f"more than {MAX_ALIASES} aliases", stop=True)
        if node is None:
            self._refuse(
                f"*{event.anchor[:60]} has no anchor before it", "mark the value to repeat with & and that name", stop=True
            )
            raise _Stop
        self._values += node.size
        if self._values > MAX_VALUES:
            self._refuse("aliases unfold to too many values", stop=True)
        return node

    def _place(self, node: _Node) -> None:
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if len(self._open) + node.depth > MAX_DEPTH + 1:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", stop=True)
        if isinstance(parent.value, list):
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            self._enter(parent, parent.key, node)
            parent.key = None

    def _enter(self, parent: _Node, key: _Node, node: _Node) -> None:
        name = key.value
        if not isinstance(name, str):
            self.problems.append(at(self.source, key.line, key.column, "a key is a word", width=key.width))
        elif name in parent.entries:
            first = parent.entries[name][0]
            message = f"duplicate key {name[:60]!r}, first given in line {first.line}"
            self.problems.append(at(self.source, key.line, key.column, message, "keep one of the two", width=key.width))
        elif name == "<<" and key.plain:
            self.problems.append(
                at(self.source, key.line, key.column, "YAML 1.2 has no merge key <<", "write the keys out", width=key.width)
            )
        else:
            parent.entries[name] = (key, node)


def _tag_refusal(tag: str) -> str:
    return f"the tag {tag.replace('tag:yaml.org,2002:', '!!')[:60]} is not taken here"


def _document(root: _Node, source: Source) -> Document:
    spots: dict[KeyPath, Spot] = {}
    return Document(_unfold(root, root, (), source, spots), spots)


def _unfold(node: _Node, key: _Node, path: KeyPath, source: Source, spots: dict[KeyPath, Spot]) -> Any:
    """Depth is bounded by MAX_DEPTH and the number of calls by MAX_VALUES."""
    spots[path] = Spot(source, node.line, node.column, node.width, key.line, key.column, key.width, node.plain)
    if isinstance(node.value, dict):
        return {name: _unfold(child, its_key, (*path, name), source, spots) for name, (its_key, child) in node.entries.items()}
    if isinstance(node.value, list):
        return [_unfold(child, child, (*path, index), source, spots) for index, child in enumerate(node.items)]
    return node.value
