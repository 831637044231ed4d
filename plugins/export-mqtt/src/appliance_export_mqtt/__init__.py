"""Events at an MQTT broker (`api.event_exports`)."""
