"""Calls into plugins: each has a limit, a name for its failures, and an account."""
