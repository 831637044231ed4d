"""Local ports of this host that lead into the overlay: tunnels, a proxy, and what both stand on."""
