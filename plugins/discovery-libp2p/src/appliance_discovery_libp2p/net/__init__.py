"""The sockets: connections, streams, and what this node says in them. Everything here has a limit of time and of size."""
