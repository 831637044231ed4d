"""The command `api`: operations of an API server, typed by hand or by scripts."""
