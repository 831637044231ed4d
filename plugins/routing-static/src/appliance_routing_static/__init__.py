"""Static prefixes: each peer gets what its profile entry allows."""
