"""The control socket: what is said over it, who may, and both ends."""
