"""Publish and subscribe among the members of a network, after gossipsub. Pure; `runtime.knowledge` drives it."""
