"""Files over one byte stream: what the two sides say, and what each judges of it. Knows no sockets, no disks, no clock."""
