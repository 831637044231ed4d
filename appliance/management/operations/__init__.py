"""The one table of operations. REST, OpenAPI, gRPC, events, clients and documentation are made from it. Pure."""
