"""Descriptions that are made from the table of operations: OpenAPI, Protocol Buffers, AsyncAPI, JSON Schema. Pure; stands on `operations`."""
