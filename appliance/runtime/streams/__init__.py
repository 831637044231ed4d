"""Streams between applications of two nodes: a TCP connection inside the overlay, handed to the application as a descriptor."""
