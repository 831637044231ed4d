"""How much a document asks for, found before anything is asked (a fragment in itself is refused by GraphQL's own rules)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from appliance_gateway_graphql.settings import GraphqlSettings

MOST_TOKENS: Final = 2_000
MOST_BYTES: Final = 64 << 10
"""Of a request."""


class _Size(NamedTuple):
    depth: int
    fields: int


def judge(document: DocumentNode, operation: OperationDefinitionNode, settings: GraphqlSettings) -> None:
    """Raises GraphQLError when the operation asks for too much. The document is valid, so fragments end."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    sizes: dict[str, _Size] = {}
    size = _size(operation.selection_set, fragments, sizes)
    _compare("levels", size.depth, settings.depth)
    _compare("fields", size.fields, settings.fields)  # so the next are not too many to be counted
    roots = list(_roots(operation.selection_set, fragments))
    _compare("operations of the API", len(roots), settings.operations)
    if not settings.introspection and any(root.name.value in {"__schema", "__type"} for root in roots):
        raise GraphQLError("this gateway tells nobody its schema")


def _compare(what: str, found: int, most: int) -> None:
    if found > most:
        raise GraphQLError(f"the document has {found} {what}, and {most} are allowed")


def _size(selected: SelectionSetNode | None, fragments: dict[str, FragmentDefinitionNode], sizes: dict[str, _Size]) -> _Size:
    depth = fields = 0
    for each in () if selected is None else selected.selections:
        if isinstance(each, FieldNode):
            below = _size(each.selection_set, fragments, sizes)
            below = _Size(below.depth + 1, below.fields + 1)
        elif isinstance(each, FragmentSpreadNode):
            below = _of_fragment(each.name.value, fragments, sizes)
        else:
            assert isinstance(each, InlineFragmentNode)
            below = _size(each.selection_set, fragments, sizes)
        depth, fields = max(depth, below.depth), fields + below.fields
    return _Size(depth, fields)


def _of_fragment(name: str, fragments: dict[str, FragmentDefinitionNode], sizes: dict[str, _Size]) -> _Size:
    """Each is measured once, however often it is used: fragments of fragments double with each level."""
    if name not in sizes:
        sizes[name] = _size(fragments[name].selection_set, fragments, sizes)
    return sizes[name]


def _roots(selected: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    for each in selected.selections:
        if isinstance(each, FieldNode):
            yield each
        elif isinstance(each, FragmentSpreadNode):
            yield from _roots(fragments[each.name.value].selection_set, fragments)
        else:
            assert isinstance(each, InlineFragmentNode)
            yield from _roots(each.selection_set, fragments)
