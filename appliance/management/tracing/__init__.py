"""Traces: which trace a step belongs to, what a span has, and where the time of recent ones went. Pure."""
