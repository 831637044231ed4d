"""Events posted to a URL (`api.event_exports`)."""
