"""LLP as pure machines: who talks to whom under which keys. Time and randomness are arguments; no sockets, no logs."""
