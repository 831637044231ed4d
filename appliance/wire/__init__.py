"""Bytes to small records and back. Knows layouts; knows no keys, no time, no sockets."""
