"""A transport over WebSocket and TLS, for networks that let nothing but the web pass."""
