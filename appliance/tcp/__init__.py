"""A TCP/IP of our own, as pure machines: what a node without a TUN device has instead of the kernel's. Knows neither sockets nor
clocks: packets, time and randomness come in as arguments, packets and events go out as results.

`stack.Stack` is the whole; `connection.Connection` is one TCP connection (RFC 9293).
"""
