"""A WebRTC signalling server (`api.servers`)."""
