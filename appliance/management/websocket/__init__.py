"""What is said over the WebSocket of the API."""
