"""A bootstrap list of endpoints with DNS names and rotation."""
