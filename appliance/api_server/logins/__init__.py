"""Log-ins by somebody else who knows users, as plugins bring them."""
