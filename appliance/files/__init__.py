"""Files and folders between peers, over any connected stream socket: what reads and writes disks and descriptors. What is said is
`appliance.transfer`'s."""
