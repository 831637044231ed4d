"""Reviews: conversations about a change before it happens, or about an incident. Pure."""
