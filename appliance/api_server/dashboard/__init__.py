"""The dashboard: a few files for browsers, which ask the same API as everybody."""
