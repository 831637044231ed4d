"""Events on NATS (`api.event_exports`)."""
