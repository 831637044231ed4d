"""Networks of members in a running node: the sockets, files and clock around `appliance.members`."""
