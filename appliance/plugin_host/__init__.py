"""Finds, loads and calls plugins one by one, and attributes every failure."""
