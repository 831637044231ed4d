"""What libp2p's peers say to each other over a connection: bytes in, bytes out; neither sockets nor clocks."""
