"""What the hosts of a lab are: namespaces of this machine, guests under qemu, or hosts that are reached by SSH."""
