"""Relays in a running node: the circuits that it makes for others, and the links that it has over others' circuits."""
