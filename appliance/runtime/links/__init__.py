"""Sockets to peers: opened by transports, numbered, judged by where they lead."""
