"""Nodes ask each other for facts."""
