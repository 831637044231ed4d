"""The edge of the API server: what judges bytes and requests of strangers before anything else sees them."""
