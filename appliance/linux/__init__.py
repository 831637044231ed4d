"""The only package that talks to the kernel's network configuration."""
