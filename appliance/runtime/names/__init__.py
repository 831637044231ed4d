"""Names of peers for programs: a small name server on the node's address in the overlay (docs/names.md)."""
