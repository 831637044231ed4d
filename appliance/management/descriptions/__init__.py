"""Descriptions made from the table of operations: OpenAPI, gRPC, AsyncAPI, JSON Schema. Pure; stands on `operations`."""
