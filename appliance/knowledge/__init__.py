"""What the members of a network know together without a server. Pure; `runtime.knowledge` drives it."""
