"""The node's side of management: it starts the API server, hands it sockets, and answers what it asks for its users."""
