"""Events, questions and broadcasts over one WebSocket."""
