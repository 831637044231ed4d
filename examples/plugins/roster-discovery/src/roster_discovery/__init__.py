"""Peers from a file that another program writes."""
