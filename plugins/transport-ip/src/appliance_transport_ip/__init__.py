"""UDP and TCP transports over IPv4 and IPv6."""
