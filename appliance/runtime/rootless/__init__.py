"""A node without root: a user namespace for its privileges, a network namespace for its device."""
