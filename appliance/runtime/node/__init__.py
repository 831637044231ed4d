"""The control machine on the event loop."""
