"""What a network of members says and judges: certificates, revocations and the rest, as pure machines. Time is an argument; no
sockets, no logs."""
