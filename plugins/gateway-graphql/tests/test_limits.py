"""What a document asks for is counted before anything is asked."""

from __future__ import annotations

import pytest
from graphql import GraphQLError, get_operation_ast, parse

from appliance_gateway_graphql.limits import judge
from appliance_gateway_graphql.settings import GraphqlSettings

SETTINGS = GraphqlSettings(depth=3, fields=6, operations=2)


def told(text: str, settings: GraphqlSettings = SETTINGS) -> str:
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    try:
        judge(document, operation, settings)
    except GraphQLError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    "text",
    [
        "{ a { b { c } } d { e } }",
        "{ ...x } fragment x on Query { a { b } }",
        "{ ... on Query { a } ... { b } }",
    ],
)
def test_what_is_within_the_limits_is_asked(text: str) -> None:
    assert not told(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ a { b { c { d } } } }", "4 levels, and 3"),
        ("{ a { b c d e f g } }", "7 fields, and 6"),
        ("{ a: x b: x c: x }", "3 operations"),
        ("{ ...x ...x ...x } fragment x on Query { a }", "3 operations"),
        (
            "{ ...f0 } "
            + " ".join(f"fragment f{n} on Q {{ ...f{n + 1} ...f{n + 1} }}" for n in range(50))
            + " fragment f50 on Q { a }",
            "fields",
        ),
    ],
)
def test_what_is_beyond_is_refused_also_by_fragments_and_aliases(text: str, said: str) -> None:
    assert said in told(text)


def test_who_tells_nobody_the_schema_tells_no_part_of_it() -> None:
    silent = GraphqlSettings(introspection=False)
    for text in (
        "{ __schema { types { name } } }",
        '{ x: __type(name: "Query") { name } }',
        "{ ... { __schema { types { name } } } }",
    ):
        assert "schema" in told(text, silent)
    assert not told("{ a { __typename } }", silent)
