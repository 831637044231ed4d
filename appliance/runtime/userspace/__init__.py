"""Streams and datagrams of a node that has no TUN device: the far end of its packet device, with a TCP/IP of our own."""
