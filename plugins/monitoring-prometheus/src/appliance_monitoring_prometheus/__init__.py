"""Prometheus metrics and the /health and /ready pages."""
