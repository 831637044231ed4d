"""The schema: a field for each operation that changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, GraphQLString

from appliance.api.gateways import ApiOperation, GatewayServices, Scope
from appliance_gateway_graphql.types import JSON, Types, camel_case

HIDDEN: Final = frozenset({"short"})
"""Words of operations that repeat others in another form."""


def schema_of(services: GatewayServices) -> GraphQLSchema:
    """The schema. A resolver finds the request's scope as the context."""
    types = Types(services.schemas())
    found = [each for each in services.operations() if not each.changes and each.name.partition(".")[0] not in HIDDEN]
    queries = {camel_case(each.name): _query(each, types, services) for each in found if not each.stream}
    streams = {camel_case(each.name): _subscription(each, types, services) for each in found if each.stream}
    return GraphQLSchema(
        GraphQLObjectType("Query", queries, description="What the API server can be asked."),
        subscription=GraphQLObjectType("Subscription", streams, description="What it tells as it happens.") if streams else None,
    )


def _query(operation: ApiOperation, types: Types, services: GatewayServices) -> GraphQLField:
    async def resolve(_root: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        scope: Scope = info.context
        return await services.call(scope, operation.name, _said(arguments))

    kind = types.of_answer(operation.result)
    return GraphQLField(kind, _arguments(operation, types), resolve, description=operation.summary)


def _subscription(operation: ApiOperation, types: Types, services: GatewayServices) -> GraphQLField:
    async def subscribe(_root: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> AsyncGenerator[Mapping[str, Any], None]:
        scope: Scope = info.context
        async with aclosing(services.follow(scope, operation.name, _said(arguments))) as items:
            async for item in items:
                yield item

    return GraphQLField(
        _ITEM, _arguments(operation, types), lambda item, _info, **_: item, subscribe, description=operation.summary
    )


def _arguments(operation: ApiOperation, types: Types) -> dict[str, Any]:
    needed = operation.arguments.get("required", ())
    properties: Mapping[str, Mapping[str, Any]] = operation.arguments.get("properties", {})
    return {name: types.of_argument(schema, needed=name in needed) for name, schema in properties.items()}


def _said(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """An argument that is null is one that was left out."""
    return {name: value for name, value in arguments.items() if value is not None}


_ITEM: Final = GraphQLObjectType(
    "Item",
    {
        "id": GraphQLField(GraphQLString, description="By which a stream goes on: `after`."),
        "event": GraphQLField(GraphQLString, description="What it is."),
        "data": GraphQLField(JSON, description="All of it."),
    },
    description="An item of a stream.",
)
