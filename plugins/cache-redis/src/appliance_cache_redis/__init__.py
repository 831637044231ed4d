"""A cache in Redis (`api.caches`)."""
