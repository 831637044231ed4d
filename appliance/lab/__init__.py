"""Builds whole overlays as network namespaces on this machine and probes them."""
