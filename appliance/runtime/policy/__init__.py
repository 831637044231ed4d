"""The policy of a running node: who is who by the table of peers, the kernel's sets of that, and what was denied."""
