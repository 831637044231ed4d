"""The only package that talks to the kernel's network configuration.

Everything here performs: it reads and changes the network namespace of the calling process. What should be changed is decided
in `appliance.planning`, which never imports this package.
"""
