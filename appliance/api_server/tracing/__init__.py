"""Traces of the API server: its own spans and those that the node hands it, kept for a while, and sent to a collector."""
