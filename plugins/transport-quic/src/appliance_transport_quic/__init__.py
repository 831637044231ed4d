"""A transport over QUIC, for networks that let UDP port 443 pass and no other UDP."""
