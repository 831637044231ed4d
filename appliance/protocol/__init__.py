"""LLP as pure machines: who talks to whom under which keys. Time and randomness come in as arguments; there are no sockets and no logs."""
