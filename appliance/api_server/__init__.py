"""The API server: a process without privileges that answers for the node over HTTP."""
