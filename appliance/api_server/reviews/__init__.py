"""Reviews over HTTP: kept in the store, told as events, applied by the node."""
