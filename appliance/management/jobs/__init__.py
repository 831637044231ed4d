"""Templates, the executions that are made of them, and streams of events with cursors. Pure."""
