"""Servers of plugins, which answer at ports of their own."""
